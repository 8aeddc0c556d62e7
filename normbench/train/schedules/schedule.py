"""What a schedule is: a pure function of where a run stands."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from normbench.errors import ConfigError


@dataclass(frozen=True)
class Moment:
    """Where a run stands at a step. Steps and epochs count from 0."""

    step: int
    """Over the whole run."""
    steps_per_epoch: int
    num_epochs: int
    watched: Sequence[float] = ()
    """What the schedule watches, after each finished epoch."""

    @property
    def epoch(self) -> int:
        return self.step // self.steps_per_epoch

    @property
    def num_steps(self) -> int:
        """Steps of the whole run."""
        return self.num_epochs * self.steps_per_epoch


@dataclass(frozen=True)
class Schedule:
    """`lr`: (base lr of a parameter group, moment) -> its lr at that step.

    `watches`: the metric of the validation images on which lr depends; it then comes in `Moment.watched`.
    """

    lr: Callable[[float, Moment], float]
    watches: Literal["loss", "accuracy"] | None = None


def scaled(factor: Callable[[Moment], float]) -> Schedule:
    """The base lr times a factor."""
    return Schedule(lambda base, moment: base * factor(moment))


def check(holds: bool, option: str, rule: str, value: object) -> None:
    """Raises ConfigError, `train.schedule.<option> must be <rule>, not <value>`, unless the rule holds."""
    if not holds:
        raise ConfigError(f"train.schedule.{option} must be {rule}, not {value}")
