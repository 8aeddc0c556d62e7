"""How numbers look in the tables of a comparison."""

from normbench.analysis.stats.estimate import Estimate
from normbench.present.tables.table import NOT_KNOWN, Cell, Value


def with_interval(estimate: Estimate, scale: float, digits: int, *, signed: bool = False) -> Cell:
    """`80.10 [79.85, 80.35]` in three pieces; `80.10 [n = 2: too few]` where the runs are too few for an interval.

    Student's interval of two runs is 12.7 times as wide as they are apart: it would be read as known, and is not.
    """
    if is_too_few(estimate):
        return number(estimate.mean, scale, digits, signed=signed), f"[n = {estimate.n}: too few]"
    return mean_and_interval(estimate.mean, estimate.low, estimate.high, scale, digits, signed=signed)


def is_too_few(estimate: Estimate) -> bool:
    """Whether there are several runs, but no interval that says anything."""
    return estimate.n == 2 or (estimate.n > 2 and estimate.low is None)


def mean_and_interval(
    mean: float | None, low: float | None, high: float | None, scale: float, digits: int, *, signed: bool = False
) -> Cell:
    """`with_interval` of the mean and the ends of its interval; None is a number that is not known."""
    if mean is None or low is None or high is None:
        return number(mean, scale, digits, signed=signed)
    mean_text, low_text, high_text = (number(value, scale, digits, signed=signed) for value in (mean, low, high))
    return mean_text, f"[{low_text},", f"{high_text}]"


def number(value: float | None, scale: float, digits: int, *, signed: bool = False) -> str:
    """`scale` times the value with `digits` decimals. -0.00 is a number below 0, 0.00 may be 0 itself."""
    if value is None:
        return NOT_KNOWN
    return f"{scale * value + 0.0:{'+' if signed else ''},.{digits}f}"  # + 0.0: no minus before 0 itself


def p_value(value: float | None, alpha: float = 0.05) -> str:
    """Three decimals, or as many as it takes not to print `alpha` for a p beside it: 0.0500001."""
    if value is None:
        return NOT_KNOWN
    if value < 0.001:
        return "<0.001"
    texts = (f"{value:.{digits}f}" for digits in range(3, 17))
    return next((text for text in texts if float(text) != alpha), f"{value:.4f}")


def percent(fraction: float) -> str:
    """`95%`, `98.3%`."""
    return f"{100 * fraction:.3g}%"


def estimate_record(name: str, estimate: Estimate | None) -> dict[str, Value]:
    """An estimate for machines, flat: `name`, `name_std`, `name_low`, `name_high`; None where unknown."""
    known = estimate or Estimate(0, None, None, None, None, None)
    return {name: known.mean, f"{name}_std": known.std, f"{name}_low": known.low, f"{name}_high": known.high}
