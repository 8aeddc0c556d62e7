"""Schedules that change from epoch to epoch by a factor."""

import math
from bisect import bisect_right

from normbench.train.schedules.schedule import Schedule, check, scaled


def constant() -> Schedule:
    """The base lr throughout."""
    return scaled(lambda moment: 1.0)


def step(*, step_size: int = 8, gamma: float = 0.1) -> Schedule:
    """`torch.optim.lr_scheduler.StepLR`: times `gamma` every `step_size` epochs."""
    check(step_size >= 1, "step_size", "at least 1", step_size)
    _check_gamma(gamma)
    return scaled(lambda moment: _power(gamma, moment.epoch // step_size))


def multistep(*, milestones: tuple[int, ...] = (10, 15), gamma: float = 0.1) -> Schedule:
    """`torch.optim.lr_scheduler.MultiStepLR`: times `gamma` after each number of epochs in `milestones`."""
    check(all(epoch >= 1 for epoch in milestones), "milestones", "a list of epochs from 1", list(milestones))
    _check_gamma(gamma)
    in_order = sorted(milestones)
    return scaled(lambda moment: _power(gamma, bisect_right(in_order, moment.epoch)))


def exponential(*, gamma: float = 0.9) -> Schedule:
    """`torch.optim.lr_scheduler.ExponentialLR`: times `gamma` after each epoch."""
    _check_gamma(gamma)
    return scaled(lambda moment: _power(gamma, moment.epoch))


def _check_gamma(gamma: float) -> None:
    check(gamma > 0, "gamma", "above 0", gamma)


def _power(gamma: float, exponent: int) -> float:
    """`gamma ** exponent`, infinite where that is more than a float can be: the run then diverges."""
    try:
        return float(gamma**exponent)
    except OverflowError:
        return math.inf
