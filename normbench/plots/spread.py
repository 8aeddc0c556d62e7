"""How far the runs behind a mean are known to lie apart, as figures draw it."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from normbench.analysis.stats.estimate import Estimate

FEWEST = 3
"""Runs from which an interval is drawn. That of two rests on one difference, and is as often far too narrow as huge."""

INTERVAL = "95 % t interval of the mean"
TWO_RUNS = "n = 2: from run to run, no interval"


@dataclass(frozen=True)
class Spread:
    """Both ends, in the unit drawn: those of the mean's interval, or two runs where there are no more."""

    low: float
    high: float
    is_interval: bool


def spread_of(estimate: Estimate, scale: float = 100, most: float = 100) -> Spread | None:
    """The interval of a mean, times `scale`, within 0 and `most`; of two runs their values; of one None."""
    if estimate.mean is None or estimate.std is None or estimate.low is None or estimate.high is None:
        return None
    low, high = estimate.low, estimate.high
    if estimate.n < FEWEST:
        half = estimate.std / math.sqrt(2)  # of two values, std is their distance over the root of 2
        low, high = estimate.mean - half, estimate.mean + half
    return Spread(max(0.0, scale * low), min(most, scale * high), estimate.n >= FEWEST)


def counts(estimates: Iterable[Estimate]) -> str:
    """The numbers of runs behind several means: `n = 3`, `n = 1 to 3`; of means without runs `no finished run`."""
    found = sorted({estimate.n for estimate in estimates if estimate.n})
    if not found:
        return "no finished run"
    return f"n = {found[0]}" if len(found) == 1 else f"n = {found[0]} to {found[-1]}"
