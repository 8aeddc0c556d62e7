"""What a network is built for: known from the data, and of some sources before they are read."""

from dataclasses import replace

from normbench.config import DataConfig
from normbench.data.load import load_dataset
from normbench.data.sources.registry import CIFAR_SHAPED
from normbench.models.task import CIFAR10, Task
from normbench.runs.build import task_of

_NUM_CLASSES = {"cifar100": 100, "cifar100-coarse": 20}


def known_task(data: DataConfig) -> Task | None:
    """The task of a source that always has the same; None for one whose data have to be read."""
    if data.source not in CIFAR_SHAPED:
        return None
    return replace(CIFAR10, num_classes=_NUM_CLASSES.get(data.source, CIFAR10.num_classes))


def find_task(data: DataConfig) -> Task:
    """The task of the data, which are read if need be. Raises DataError for data that cannot be read."""
    return known_task(data) or task_of(load_dataset(data, bar=False))
