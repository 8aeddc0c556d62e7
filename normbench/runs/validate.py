"""Validates a config by building its parts: finds what they refuse although each value has the right type.

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

USUAL_CLASSES = 10  # networks are built with so many before any data are there

Part = tuple[KeyPath, object, Callable[[], object]]
"""(key in the config, all values that the part depends on, a function that builds it or raises ConfigError)."""


def find_misfits(*, within_budget: bool) -> Callable[[Config], list[KeyProblem]]:
    """What `load_config` and `load_experiment` take: each part is made as a run makes it, and may refuse.

    Equal parts are made once, however many runs of a sweep share them. With `within_budget` the network must be.
    """
    known: dict[str, str] = {}

    def misfits(config: Config) -> list[KeyProblem]:
        found: dict[str, KeyPath] = {}  # by its sentence: what is made of a part that refuses would say the same
        for key, depends_on, make in [*_parts(config), *([_budget(config)] if within_budget else [])]:
            part = repr((key, depends_on))
            if part not in known:
                known[part] = _refusal(make)
            if known[part]:
                found.setdefault(known[part], key)
        return [(key, text) for text, key in found.items()]

    return misfits


def _refusal(make: Callable[[], object]) -> str:
    try:
        make()
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
    """A budget that somebody set is what does not fit, otherwise it is the norm."""
    most = config.budget.max_parameters
    key: KeyPath = ("norm",) if most == Budget().max_parameters else ("budget", "max_parameters")
    uses = (config.norm, config.model, most)
    return key, uses, lambda: check_budget(build_network(config, USUAL_CLASSES), most)
