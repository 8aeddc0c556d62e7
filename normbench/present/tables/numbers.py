"""How numbers look in the tables of a comparison."""

from normbench.analysis.compare.select import show_value
from normbench.analysis.stats.estimate import Estimate
from normbench.present.tables.table import Cell, Value

NOT_KNOWN = "-"


def with_interval(estimate: Estimate, scale: float, digits: int, *, signed: bool = False) -> Cell:
    """`80.10 [79.85, 80.35]` in three pieces; the mean alone where there is no interval."""
    return mean_and_interval(estimate.mean, estimate.low, estimate.high, scale, digits, signed=signed)


def mean_and_interval(
    mean: float | None, low: float | None, high: float | None, scale: float, digits: int, *, signed: bool = False
) -> Cell:
    form = f"{'+' if signed else ''},.{digits}f"
    if mean is None:
        return NOT_KNOWN
    if low is None or high is None:
        return _no_minus_zero(format(scale * mean, form))
    low_text, high_text = (_no_minus_zero(format(scale * end, form)) for end in (low, high))
    return _no_minus_zero(format(scale * mean, form)), f"[{low_text},", f"{high_text}]"


def number(value: float | None, scale: float, digits: int, *, signed: bool = False) -> str:
    if value is None:
        return NOT_KNOWN
    return _no_minus_zero(f"{scale * value:{'+' if signed else ''},.{digits}f}")


def p_value(value: float | None) -> str:
    if value is None:
        return NOT_KNOWN
    if value < 0.001:
        return "<0.001"
    return f"{value:.3f}" if round(value, 3) != 0.05 else f"{value:.4f}"  # on which side it is decides a verdict


def axis_value(value: Value, key: str) -> str:
    """A value of the key that a comparison goes along."""
    return NOT_KNOWN if value is None else show_value(value, key)


def short_key(key: str) -> str:
    """`train.batch_size` -> `batch_size`."""
    return key.rpartition(".")[2]


def estimate_record(name: str, estimate: Estimate | None) -> dict[str, Value]:
    """An estimate for machines, flat: `name`, `name_std`, `name_low`, `name_high`; None where unknown."""
    known = estimate or Estimate(0, None, None, None, None, None)
    return {name: known.mean, f"{name}_std": known.std, f"{name}_low": known.low, f"{name}_high": known.high}


def _no_minus_zero(text: str) -> str:
    return text if text.strip("-+0.,") else text.replace("-", "+" if "+" in text else "", 1)
