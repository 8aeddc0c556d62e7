"""How numbers look in the tables of a comparison."""

from normbench.analysis.stats.estimate import Estimate
from normbench.present.tables.table import Cell, Value

NOT_KNOWN = "-"


def with_interval(estimate: Estimate, scale: float, digits: int, *, signed: bool = False) -> Cell:
    """`80.10 [79.85, 80.35]` in three pieces; the mean alone where there is no interval."""
    return mean_and_interval(estimate.mean, estimate.low, estimate.high, scale, digits, signed=signed)


def mean_and_interval(
    mean: float | None, low: float | None, high: float | None, scale: float, digits: int, *, signed: bool = False
) -> Cell:
    """`with_interval` of the mean and the ends of its interval; None is a number that is not known."""
    if mean is None or low is None or high is None:
        return number(mean, scale, digits, signed=signed)
    mean_text, low_text, high_text = (number(value, scale, digits, signed=signed) for value in (mean, low, high))
    return mean_text, f"[{low_text},", f"{high_text}]"


def number(value: float | None, scale: float, digits: int, *, signed: bool = False) -> str:
    """`scale` times the value with `digits` decimals; no minus before a zero."""
    if value is None:
        return NOT_KNOWN
    text = f"{scale * value:{'+' if signed else ''},.{digits}f}"
    is_zero = not text.strip("-+0.,")
    return text.removeprefix("-") if is_zero else text


def p_value(value: float | None) -> str:
    """Three decimals; four where three would print 0.050."""
    if value is None:
        return NOT_KNOWN
    if value < 0.001:
        return "<0.001"
    return f"{value:.3f}" if round(value, 3) != 0.05 else f"{value:.4f}"  # the side of 0.05 decides a verdict


def estimate_record(name: str, estimate: Estimate | None) -> dict[str, Value]:
    """An estimate for machines, flat: `name`, `name_std`, `name_low`, `name_high`; None where unknown."""
    known = estimate or Estimate(0, None, None, None, None, None)
    return {name: known.mean, f"{name}_std": known.std, f"{name}_low": known.low, f"{name}_high": known.high}
