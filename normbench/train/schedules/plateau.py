"""A schedule that lowers lr when the validation images get no better."""

import math
from typing import Literal

from normbench.train.schedules.schedule import Moment, Schedule, check


def plateau(
    *,
    mode: Literal["min", "max"] = "min",
    factor: float = 0.1,
    patience: int = 10,
    threshold: float = 1e-4,
    threshold_mode: Literal["rel", "abs"] = "rel",
    cooldown: int = 0,
    min_lr: float = 0.0,
    eps: float = 1e-8,
) -> Schedule:
    """`torch.optim.lr_scheduler.ReduceLROnPlateau`: times `factor` after more than `patience` epochs without progress.

    mode: `min` watches the loss of the validation images, `max` their accuracy. Progress is a change by more than
    `threshold`, relative or absolute. For `cooldown` epochs after a change no epoch counts. lr does not fall below
    `min_lr`, nor by less than `eps`.

    lr follows from what was watched so far, so a resumed run needs no state of the schedule.
    """
    check(0 <= factor < 1, "factor", "at least 0 and below 1", factor)
    for option, value in {"patience": patience, "cooldown": cooldown}.items():
        check(value >= 0, option, "at least 0", value)
    for option, number in {"threshold": threshold, "min_lr": min_lr, "eps": eps}.items():
        check(number >= 0, option, "at least 0", number)
    sign = 1 if mode == "min" else -1

    def is_better(value: float, best: float) -> bool:
        if math.isinf(best):
            return True
        margin = threshold * best if threshold_mode == "rel" else threshold
        return value < best - margin if mode == "min" else value > best + margin

    def lr(base: float, moment: Moment) -> float:
        found, best, num_bad, cooling = base, sign * math.inf, 0, 0
        for value in moment.watched:
            if is_better(value, best):
                best, num_bad = value, 0
            else:
                num_bad += 1
            if cooling > 0:
                cooling, num_bad = cooling - 1, 0
            if num_bad > patience:
                lower = max(found * factor, min_lr)
                found = lower if found - lower > eps else found
                num_bad, cooling = 0, cooldown
        return found

    return Schedule(lr, watches="loss" if mode == "min" else "accuracy")
