"""Training curves of several norms in one figure."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from normbench.analysis.stats.estimate import Estimate, mean_interval
from normbench.plots.save import save_figure
from normbench.plots.style import Style, caption, figure_height, label_ends, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Rows = Sequence[Mapping[str, float]]
"""A run's `metrics.csv`, one row an epoch."""

METRICS = (("accuracy", 100, "accuracy (%)"), ("loss", 1, "loss (mean cross-entropy)"))
BEGINNING = 0.1  # share of the epochs that the axes do not fit: the curves are so steep there that the rest looks flat
MARKS = 5  # markers on a line
MANY = 7  # norms; so many bands hide each other unless they are fainter


def draw_norm_curves(
    runs: Mapping[str, Sequence[Rows]], split: str, about: str, styles: Mapping[str, Style], stem: Path
) -> list[Path]:
    """Draws the mean over each norm's runs, with its 95 % t interval as a band. A single run is a thin line.

    runs: the runs of each norm, by label. split: the held-out split, "test" or "val".

    The upper panels show `split`, the lower ones train. Each line is labelled with its norm and n.
    Returns the paths written: `<stem>.png`, `<stem>.svg`.
    """
    from matplotlib.figure import Figure  # slow to import

    longest = max(map(len, runs), default=0)
    figure = Figure(figsize=(11 + 0.15 * longest, figure_height(len(runs), rows=2, least=7.5)), layout="constrained")
    panels = figure.subplots(2, 2, sharex=True)
    first = _first_epoch(runs)
    for axes_of_split, name in zip(panels, (split, "train"), strict=True):
        for axes, (metric, scale, unit) in zip(axes_of_split, METRICS, strict=True):
            lines = {label: _estimates(of_norm, f"{name}_{metric}") for label, of_norm in runs.items() if of_norm}
            axes.set_ylabel(f"{name.capitalize()} {unit}")
            _draw(axes, lines, scale, first, styles)
    for axes in panels[1]:
        axes.set_xlabel("Epoch")
    caption(figure, "Training curves by norm", about, _notes(runs, first))
    return save_figure(figure, stem)


def _estimates(runs: Sequence[Rows], column: str) -> list[tuple[float, Estimate]]:
    """(epoch, mean and interval over the runs) for each epoch in which every run has a finite value."""
    found = []
    for rows in zip(*runs, strict=False):
        values = [row[column] for row in rows]
        if all(map(math.isfinite, values)):
            found.append((rows[0]["epoch"], mean_interval(values)))
    return found


def _draw(
    axes: "Axes",
    lines: Mapping[str, Sequence[tuple[float, Estimate]]],
    scale: float,
    first: float,
    styles: Mapping[str, Style],
) -> None:
    from matplotlib.ticker import MaxNLocator

    shown, ends = [], {}
    every = max(1, round(max(map(len, lines.values()), default=0) / MARKS))
    for index, (label, points) in enumerate(lines.items()):
        if not points:
            continue
        style = styles[label]
        epochs = [epoch for epoch, _ in points]
        means = [scale * (estimate.mean or 0.0) for _, estimate in points]
        with_interval = points[-1][1].low is not None
        axes.plot(
            *(epochs, means),
            color=style.color,
            linestyle=style.line,
            linewidth=1.7 if with_interval else 1.0,
            marker=style.marker,
            markersize=4.5,
            markevery=(index % every, every),  # shifted, so that markers of norms do not overlap
        )
        shown += [mean for epoch, mean in zip(epochs, means, strict=True) if epoch >= first]
        if with_interval:
            low = [scale * (estimate.low or 0.0) for _, estimate in points]
            high = [scale * (estimate.high or 0.0) for _, estimate in points]
            axes.fill_between(
                epochs, low, high, color=style.color, alpha=0.18 if len(lines) < MANY else 0.08, linewidth=0
            )
            shown += [*low[-1:], *high[-1:]]
        ends[label] = (epochs[-1], means[-1])
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
    tidy(axes)
    if shown:
        margin = 0.04 * (max(shown) - min(shown)) or 0.5
        axes.set_ylim(min(shown) - margin, max(shown) + margin)
        last = max(epoch for epoch, _ in ends.values())
        axes.set_xlim(0.8, last + max(0.2, 0.01 * last))
    counts = {label: points[-1][1].n for label, points in lines.items() if points}
    label_ends(axes, ends, {label: f"{label}, n = {n}" for label, n in counts.items()}, styles)


def _first_epoch(runs: Mapping[str, Sequence[Rows]]) -> float:
    """The first epoch that the vertical axes are fitted to."""
    longest = max((len(rows) for of_norm in runs.values() for rows in of_norm), default=0)
    return math.floor(BEGINNING * longest) + 1


def _notes(runs: Mapping[str, Sequence[Rows]], first: float) -> list[str]:
    notes = []
    if any(len(of_norm) > 1 for of_norm in runs.values()):
        notes.append("Line: mean over n seeds; band: 95 % t interval of that mean at each epoch.")
    if any(len(of_norm) == 1 for of_norm in runs.values()):
        notes.append("n = 1 (thin line): a single run, no interval.")
    notes.append("Train: running means over each epoch, in training mode, with augmentation where there is any.")
    if first > 1:
        notes.append(f"The vertical axes fit epoch {first:g} and later; what came before may lie outside.")
    return [" ".join(notes)]
