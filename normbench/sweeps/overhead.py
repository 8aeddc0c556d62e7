"""What runs take besides their steps and evaluations: short real runs in a temporary folder, with all files."""

import logging
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from normbench.config import Config
from normbench.data.dataset import Dataset, Split
from normbench.data.load import load_dataset
from normbench.errors import Interrupted
from normbench.runs.events import EpochDone, Event
from normbench.runs.execute import train_run
from normbench.runs.folder import RunFolder
from normbench.runs.run_id import run_id
from normbench.train.machine import Machine

EVALUATED = 200  # images


@dataclass(frozen=True)
class Overhead:
    """Seconds that do not depend on the number of images: `start_s` once in a process, the others in each run."""

    start_s: float = 0.0
    run_s: float = 0.0
    epoch_s: float = 0.0


@dataclass(frozen=True)
class _Times:
    run_s: float
    epoch_s: float


def measure_overhead(config: Config, dataset: Dataset, machine: Machine) -> Overhead:
    """The overhead of runs like this one on this machine.

    Of two short runs the first also imports what each process imports once, such as the library of the pictures. A run
    that fails here will say why when it is trained: nothing is measured then. Raises Interrupted.
    """
    short = config.model_copy(
        update={
            "train": config.train.model_copy(update={"epochs": 2}),
            "data": config.data.model_copy(update={"evaluate_on": "test"}),
        }
    )
    few = replace(dataset, train=_first(dataset.train, config.train.batch_size), test=_first(dataset.test, EVALUATED))
    try:
        with _without_log(), tempfile.TemporaryDirectory(prefix="normbench-") as folder:
            first, second = (_short_run(short, few, machine, Path(folder, name)) for name in ("first", "second"))
            begun = time.perf_counter()
            load_dataset(config.data, bar=False)
            load_s = time.perf_counter() - begun
    except Interrupted as stop:
        raise Interrupted("stopped while the time was estimated") from stop
    except Exception:  # of a norm from outside, or for want of a temporary folder
        return Overhead()
    once_s = max(first.run_s - second.run_s, 0.0)
    return Overhead(load_s + once_s, max(second.run_s - 2 * second.epoch_s, 0.0), second.epoch_s)


def _short_run(config: Config, dataset: Dataset, machine: Machine, results: Path) -> _Times:
    """The whole run, and its second epoch: one step, a short evaluation, a checkpoint."""
    ends: list[float] = []

    def watch(event: Event) -> None:
        if isinstance(event, EpochDone):
            ends.append(time.perf_counter())

    begun = time.perf_counter()
    train_run(config, RunFolder(results / config.name / run_id(config)), dataset, machine, report=watch)
    run_s = time.perf_counter() - begun
    return _Times(run_s, ends[1] - ends[0] if len(ends) == 2 else 0.0)


def _first(split: Split, number: int) -> Split:
    return Split(split.images[:number], split.labels[:number])


@contextmanager
def _without_log() -> Iterator[None]:
    """What short runs have to say concerns nobody."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)
