"""Validates a config by building its parts: a part may refuse values that have the right type.

No data are needed.
"""

from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import nn

from normbench.config import Budget, Choice, Config, KeyProblem
from normbench.config.tree import KeyPath
from normbench.data.augment import AUGMENTATIONS
from normbench.errors import ConfigError
from normbench.models.budget import check_budget
from normbench.models.reference import Reference
from normbench.runs.build import build_network
from normbench.train import OPTIMIZERS, SCHEDULES

USUAL_CLASSES = 10  # of a network that is built before the data are known

Part = tuple[KeyPath, object, Callable[[], object]]
"""(key in the config, all values that the part depends on, a function that builds it or raises ConfigError)."""


def check_parts(*, within_budget: bool) -> Callable[[Config], list[KeyProblem]]:
    """The `check` of `load_config` and `load_experiment`: builds each part as a run does, and returns the refusals.

    Equal parts are built once, however many runs of a sweep share them. With `within_budget` a network over its budget
    is refused too.
    """
    refusals: dict[str, str] = {}  # by part; empty if the part was built

    def check(config: Config) -> list[KeyProblem]:
        found: dict[str, KeyPath] = {}  # by sentence: parts that are built of a refused part give the same sentence
        for key, depends_on, build in [*_parts(config), *([_budget(config)] if within_budget else [])]:
            part = repr((key, depends_on))
            if part not in refusals:
                refusals[part] = _refusal(build)
            if refusals[part]:
                found.setdefault(refusals[part], key)
        return [(key, text) for text, key in found.items()]

    return check


def _refusal(build: Callable[[], object]) -> str:
    try:
        build()
    except ConfigError as error:
        return str(error)
    return ""


def _parts(config: Config) -> Iterator[Part]:
    model, norm, optimizer, schedule = config.model, config.norm, config.train.optimizer, config.train.schedule
    bare = config.model_copy(update={"norm": Choice("none")})
    yield ("model",), model, lambda: build_network(bare, USUAL_CLASSES)
    yield ("norm",), (norm, model), lambda: build_network(config, USUAL_CLASSES)
    conv = nn.Conv2d(1, 1, 1)
    yield ("train", "optimizer"), optimizer, lambda: OPTIMIZERS[optimizer.name](conv, **optimizer.options)
    yield ("train", "schedule"), schedule, lambda: SCHEDULES[schedule.name](**schedule.options)
    for index, choice in enumerate(config.data.augment):
        yield ("data", "augment", index), choice, partial(_augment, choice)


def _augment(choice: Choice) -> None:
    AUGMENTATIONS[choice.name](**choice.options).draw(
        torch.Size((1, *Reference.image_shape)), torch.Generator().manual_seed(0)
    )


def _budget(config: Config) -> Part:
    """The network's budget; a budget that the config sets is refused itself, else the norm is."""
    most = config.budget.max_parameters
    key: KeyPath = ("norm",) if most == Budget().max_parameters else ("budget", "max_parameters")
    uses = (config.norm, config.model, most)
    return key, uses, lambda: check_budget(build_network(config, USUAL_CLASSES), most)
