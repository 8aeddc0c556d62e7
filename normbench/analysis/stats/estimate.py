"""The mean of a metric over runs and its interval: pure functions of numbers."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

CONFIDENCE = 0.95
LARGEST = 1e150
"""Of values: the squares of larger ones would overflow, those of its inverse and less would vanish."""


@dataclass(frozen=True)
class Estimate:
    """What n values say about their mean, in the values' unit. What cannot be computed is None.

    `why_undefined` says why there is no interval; it is None where there is one.
    """

    n: int
    mean: float | None
    std: float | None
    low: float | None
    high: float | None
    why_undefined: str | None


def mean_interval(
    values: Sequence[float], confidence: float = CONFIDENCE, bounds: tuple[float, float] | None = None
) -> Estimate:
    """The mean of independent values [n] and its two-sided interval by Student's t.

    mean ± t(n − 1, (1 + confidence) / 2) · std / sqrt(n), with std² = Σ (x − mean)² / (n − 1). Exact for normally
    distributed values. Student (1908), The probable error of a mean, Biometrika 6(1).

    `bounds` hold the mean, (0, 1) that of an accuracy. An interval that leaves them is not given: the normal model is
    plainly wrong there, and an interval cut off at the bound would hide that. Newcombe (1998), Two-sided confidence
    intervals for the single proportion, Statistics in Medicine 17, on such overshoot.

    One value has a mean only. Raises ValueError for a value that is not finite, or confidence outside (0, 1).
    """
    values = checked(values, confidence)
    n = len(values)
    if n == 0:
        return Estimate(0, None, None, None, None, "no finished run")
    mean = math.fsum(values) / n
    if n == 1:
        return Estimate(1, mean, None, None, None, "one run: no interval")
    from scipy.special import stdtrit  # scipy.stats has it too, but takes a second to import

    std = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1))
    half = float(stdtrit(n - 1, (1 + confidence) / 2)) * std / math.sqrt(n)
    low, high = mean - half, mean + half
    if bounds and not bounds[0] <= low <= high <= bounds[1]:
        return Estimate(n, mean, std, None, None, f"{n} runs are too few: the interval would hold impossible values")
    return Estimate(n, mean, std, low, high, None)


def checked(values: Sequence[float], confidence: float) -> Sequence[float]:
    """The values. Raises ValueError for one that is not finite or beyond LARGEST, or a confidence outside (0, 1)."""
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be between 0 and 1, not {confidence}")
    if not all(abs(value) <= LARGEST for value in values):
        raise ValueError(f"values must be finite, and at most {LARGEST:g} in size: {list(values)}")
    return values


def is_measurable(value: float) -> bool:
    """Whether the value's square is a number like any other: finite, and 0 only for 0."""
    return value == 0 or 1 / LARGEST <= abs(value) <= LARGEST
