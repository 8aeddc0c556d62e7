"""Where the dots of a row of runs stand, so that none hides another."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from normbench.analysis.stats.estimate import Estimate, mean_interval
from normbench.plots.layout import EM, Page
from normbench.plots.spread import FEWEST, spread_of

SWARM_INCHES = 0.6  # dots that would hide each other are stacked so high at most
BAR_INCHES = 0.12  # distance of the mean below the dots


@dataclass(frozen=True)
class Row:
    """The runs of one norm. Heights are in inches below the upper end of the axes."""

    estimate: Estimate
    text: str
    """Mean, interval and n."""
    dots: Mapping[int, tuple[float, float]]
    """seed -> (accuracy in %, height)."""
    base: float
    """The height of the lowest dots."""
    top: float
    """The height above all dots."""
    end: float


def place_rows(
    accuracies: Mapping[str, Mapping[int, float]], diverged: Mapping[str, int], page: Page
) -> dict[str, Row]:
    """The rows by label. Each has room for its stacked dots, a bar below them, and a text above on a narrow page.

    accuracies: norm's label -> seed -> fraction. diverged: how many runs of the norm have no accuracy.
    """
    estimates = {label: mean_interval(list(of_norm.values())) for label, of_norm in accuracies.items()}
    texts = {label: _described(estimate, diverged.get(label, 0)) for label, estimate in estimates.items()}
    dot = dot_points(page) / 72
    width = _data_width(accuracies, texts, dot, page)
    above = 1.6 * page.small / 72 if page.is_narrow else 0.0
    rows: dict[str, Row] = {}
    start = 0.08
    for label, of_norm in accuracies.items():
        values = [100 * value for value in of_norm.values()]
        levels = stacked(values, 0.75 * width)
        step = min(0.8 * dot, SWARM_INCHES / max([1, *levels]))
        top = start + above
        base = top + dot + step * max([0, *levels])
        dots = {seed: (x, base - step * level) for seed, x, level in zip(of_norm, values, levels, strict=True)}
        start = base + (BAR_INCHES + 0.14 if estimates[label].n >= FEWEST else 0.08 + dot)
        rows[label] = Row(estimates[label], texts[label], dots, base, top, start)
    return rows


def stacked(values: Sequence[float], apart: float) -> list[int]:
    """The level, counted from 0, of each value's dot: the lowest on which no other dot is nearer than `apart`.

    Equal values always have levels of their own. Dots are placed from the least to the greatest value.
    """
    levels = [0] * len(values)
    last: list[float] = []  # the greatest value placed on each level so far
    for index in sorted(range(len(values)), key=values.__getitem__):
        value = values[index]
        level = next((level for level, other in enumerate(last) if value > other and value - other >= apart), len(last))
        last[level : level + 1] = [value]
        levels[index] = level
    return levels


def dot_points(page: Page) -> float:
    """The diameter of a dot."""
    return 1.6 * page.marker


def _data_width(
    accuracies: Mapping[str, Mapping[int, float]], texts: Mapping[str, str], inches: float, page: Page
) -> float:
    """About how many points of accuracy so many inches are; the layout itself comes later."""
    values = [100 * value for of_norm in accuracies.values() for value in of_norm.values()]
    around = 0 if page.is_narrow else max(map(len, texts.values())) + max(map(len, texts))
    axes = max(1.0, page.width - EM * around * page.small / 72)
    return (max(values) - min(values)) / axes * inches if values else 0.0


def _described(estimate: Estimate, diverged: int) -> str:
    lost = f", {diverged} diverged" if diverged else ""
    if estimate.mean is None:
        return f"no finished run{lost}"
    spread = spread_of(estimate)
    interval = f" [{spread.low:.2f}, {spread.high:.2f}]" if spread and spread.is_interval else ""
    return f"{100 * estimate.mean:.2f}{interval}, n = {estimate.n}{lost}"
