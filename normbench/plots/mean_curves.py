"""The mean over runs of a norm, epoch by epoch, as a line with a band."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from normbench.analysis.stats.estimate import Estimate, mean_interval
from normbench.plots.frame import band_key
from normbench.plots.layout import Page
from normbench.plots.spread import INTERVAL, TWO_RUNS, spread_of
from normbench.plots.style import Style

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

Rows = Sequence[Mapping[str, float]]
"""A run's `metrics.csv`, one row for each epoch."""

Line = Sequence[tuple[float, Estimate]]
"""(epoch, mean over the runs)."""

UNITS = {"accuracy": (100.0, 100.0), "loss": (1.0, math.inf)}
"""metric -> (factor to the unit drawn, greatest value in that unit)."""

BEGINNING = 0.1  # share of the epochs that the axes do not fit: the curves are so steep there that the rest looks flat
BAND_ALPHA = 0.16


def mean_line(runs: Sequence[Rows], column: str) -> Line:
    """(epoch, mean and interval over the runs) for each epoch in which every run has a finite value."""
    found = []
    for rows in zip(*runs, strict=False):
        values = [row[column] for row in rows]
        if all(map(math.isfinite, values)):
            found.append((rows[0]["epoch"], mean_interval(values)))
    return found


def means(line: Line, metric: str) -> tuple[list[float], list[float]]:
    """The epochs, and the means in the unit drawn."""
    return [epoch for epoch, _ in line], [UNITS[metric][0] * (estimate.mean or 0.0) for _, estimate in line]


def draw_band(axes: "Axes", line: Line, metric: str, style: Style) -> None:
    """Shades the spread of the runs around each mean and draws both edges, which tell bands apart in grey."""
    spreads = [spread_of(estimate, *UNITS[metric]) for _, estimate in line]
    known = [(epoch, spread) for (epoch, _), spread in zip(line, spreads, strict=True) if spread is not None]
    if not known:
        return
    if len(known) == 1:
        ((epoch, only),) = known
        axes.vlines(epoch, only.low, only.high, color=style.color, linewidth=1)
    epochs = [epoch for epoch, _ in known]
    low, high = [spread.low for _, spread in known], [spread.high for _, spread in known]
    axes.fill_between(epochs, low, high, color=style.color, alpha=BAND_ALPHA, linewidth=0)
    for edge in (low, high):
        axes.plot(epochs, edge, color=style.color, linestyle=style.line, linewidth=0.5, alpha=0.8)


def fit(axes: "Axes", lines: Iterable[Line], metric: str, first: float) -> None:
    """Fits the vertical axis to the means from the epoch `first` on and to the last bands."""
    factor, most = UNITS[metric]
    shown, last = [], 0.0
    for line in lines:
        shown += [factor * (estimate.mean or 0.0) for epoch, estimate in line if epoch >= first]
        if line and (spread := spread_of(line[-1][1], factor, most)):
            shown += [spread.low, spread.high]
        last = max(last, *(epoch for epoch, _ in line), 0.0)
    if shown:
        margin = 0.04 * (max(shown) - min(shown)) or 0.5
        axes.set_ylim(min(shown) - margin, max(shown) + margin)
        axes.set_xlim(0.8, last + max(0.2, 0.01 * last))


def epoch_ticks(axes: "Axes", page: Page) -> None:
    """Whole epochs; fewer of them where panels are small."""
    from matplotlib.ticker import MaxNLocator

    most = 5 if page.is_narrow else 10
    axes.xaxis.set_major_locator(MaxNLocator(most, integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))


def first_epoch(runs: Mapping[str, Sequence[Rows]]) -> float:
    """The first epoch that the vertical axes are fitted to."""
    longest = max((len(rows) for of_norm in runs.values() for rows in of_norm), default=0)
    return math.floor(BEGINNING * longest) + 1


def band_keys(runs: Mapping[str, Sequence[Rows]]) -> list["Artist"]:
    """What the bands mean, for the legend."""
    counts = {len(of_norm) for of_norm in runs.values()}
    keys = [band_key(INTERVAL)] if max(counts, default=0) > 2 else []
    return keys + ([band_key(TWO_RUNS)] if 2 in counts else [])


def notes(runs: Mapping[str, Sequence[Rows]], first: float) -> list[str]:
    """What is to be known about the curves, for the small print."""
    found = []
    if any(len(of_norm) > 1 for of_norm in runs.values()):
        found.append("Line: mean over n seeds at each epoch.")
    if any(len(of_norm) == 1 for of_norm in runs.values()):
        found.append("n = 1: a single run, no interval.")
    found.append("Training: running means over each epoch, in training mode, with augmentation where there is any.")
    if first > 1:
        found.append(f"The vertical axes fit epoch {first:g} and later; what came before may lie outside.")
    return found
