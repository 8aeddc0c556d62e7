"""The parts of a run, each built as a run does, to find out whether it can be."""

from collections.abc import Callable, Iterator
from functools import partial

from torch import nn

from normbench.config import Budget, Choice, Config
from normbench.config.tree import KeyPath
from normbench.data.augment.augmentation import check_fits
from normbench.data.augment.registry import AUGMENTATIONS
from normbench.data.sources.registry import CIFAR_SHAPED
from normbench.models.budget import check_budget
from normbench.models.outside.network import check_source
from normbench.models.registry import MODEL_REGISTRY, MODELS
from normbench.models.task import CIFAR10, Task
from normbench.runs.build import build_network, build_schedule
from normbench.runs.task import known_task
from normbench.train.optimizers.registry import OPTIMIZERS

Part = tuple[KeyPath, object, Callable[[], object]]
"""(key in the config, all values that the part depends on, a function that builds it or raises ConfigError)."""


def parts_of(config: Config, *, within_budget: bool) -> Iterator[Part]:
    """The parts that the config names; with `within_budget` also its network held against the budget."""
    yield from _parts(config)
    task = _task(config)
    if within_budget and task is not None:
        yield _budget(config, task)


def _parts(config: Config) -> Iterator[Part]:
    model, norm, optimizer, schedule = config.model, config.norm, config.train.optimizer, config.train.schedule
    bare = config.model_copy(update={"norm": Choice("none")})
    task = _task(config)
    if model.name not in MODELS:
        yield ("model",), model, partial(check_source, model.name, MODEL_REGISTRY[model.name], model.options)
    if task is not None:
        yield ("model",), (model, task), lambda: build_network(bare, task)
        yield ("norm",), (norm, model, task), lambda: build_network(config, task)
    conv = nn.Conv2d(1, 1, 1)
    yield ("train", "optimizer"), optimizer, lambda: OPTIMIZERS[optimizer.name](conv, **optimizer.options)
    yield ("train", "schedule"), schedule, lambda: build_schedule(config)
    is_shaped = config.data.source in CIFAR_SHAPED
    for index, choice in enumerate(config.data.augment):
        yield ("data", "augment", index), (choice, is_shaped), partial(_augment, choice, is_shaped)


def _augment(choice: Choice, is_shaped: bool) -> None:
    augment = AUGMENTATIONS[choice.name](**choice.options)
    if is_shaped:  # else found out once the images are known, by `training_split`
        check_fits(augment, CIFAR10.image_shape)


def _task(config: Config) -> Task | None:
    """What the network is tried with; None for one from outside, which may take no images but those of its data.

    It is tried once they are read.
    """
    return known_task(config.data) or (CIFAR10 if config.model.name in MODELS else None)


def _budget(config: Config, task: Task) -> Part:
    """The network's budget; a budget that the config sets is refused itself, else the norm is."""
    most = config.budget.max_parameters
    key: KeyPath = ("norm",) if most == Budget().max_parameters else ("budget", "max_parameters")
    uses = (config.norm, config.model, task, most)
    return key, uses, lambda: check_budget(build_network(config, task), most)
