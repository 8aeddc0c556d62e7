"""Accuracy against the values of a config key, one line a norm."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from normbench.analysis.stats.estimate import Estimate
from normbench.plots.save import literal, save_figure
from normbench.plots.style import TEXT_POINTS, Style, caption, figure_height, label_ends, tidy
from normbench.text import plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Value = float | int | str | bool | None
Line = Sequence[tuple[Value, Estimate]]
"""(value of the key, accuracy as a fraction) of one norm; the value is None for runs whose config lacks the key."""

LOG_KEYS = ("lr", "sgd_lr", "weight_decay", "eps")
LOG_FROM = 16  # ratio of the largest to the smallest value from which a linear axis would crowd the small ones


def draw_sweep(
    lines: Mapping[str, Line],
    diverged: Mapping[tuple[str, Value], int],
    key: str,
    split: str,
    about: str,
    styles: Mapping[str, Style],
    stem: Path,
) -> list[Path]:
    """Draws each norm's mean accuracy over the values of `key`, with its 95 % t interval as a band.

    lines: by label. diverged: number of diverged runs by (label, value); the small print names them.

    The horizontal axis has the scale of `axis_scale`. A norm whose config lacks the key (BN beside the groups of GN)
    is a level line. A point shows n if n is below the largest of its line. A cross at the foot marks a value at which
    no run finished. Returns the paths written: `<stem>.png`, `<stem>.svg`.
    """
    from matplotlib.figure import Figure  # slow to import

    figure = Figure(figsize=(9, figure_height(len(lines))), layout="constrained")
    axes = figure.subplots()
    places, scale = _places(lines, key)
    ends = {}
    for label, line in lines.items():
        points = {places[value]: estimate for value, estimate in line if value in places}
        if not points and places:
            points = dict.fromkeys((min(places.values()), max(places.values())), line[0][1])
        if (end := _draw_line(axes, sorted(points.items(), key=lambda point: point[0]), styles[label])) is not None:
            ends[label] = end
    _set_axis(axes, scale, places)
    axes.set_xlabel(literal(f"{key}{' (log scale)' if scale.startswith('log') else ''}"))
    axes.set_ylabel(f"{split.capitalize()} accuracy (%)")
    tidy(axes)
    texts = {label: f"{label}, n = {_range([e.n for _, e in lines[label] if e.n])}" for label in ends}
    label_ends(axes, ends, texts, styles)
    caption(figure, f"{split.capitalize()} accuracy by {key}", about, [_note(lines, diverged, key)])
    return save_figure(figure, stem)


def axis_scale(key: str, values: Sequence[Value]) -> str:
    """`log2` for powers of two, `log10` for learning rates and wide ranges, `linear` for other numbers, `categorical`.

    Example: axis_scale("train.batch_size", [2, 8, 64]) == "log2".
    """
    if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return "categorical"
    numbers = [float(value) for value in values]  # type: ignore[arg-type]
    if len(numbers) > 1 and min(numbers) > 0:
        if all(math.log2(number).is_integer() for number in numbers):
            return "log2"
        if key.rpartition(".")[2] in LOG_KEYS or max(numbers) / min(numbers) >= LOG_FROM:
            return "log10"
    return "linear"


def _places(lines: Mapping[str, Line], key: str) -> tuple[dict[Value, float], str]:
    """The position of each value on the axis, and the scale of the axis.

    None gets a position only if its norm has other values too; else the norm is a level line.
    """
    without = [label for label, line in lines.items() if all(value is None for value, _ in line)]
    values = list(dict.fromkeys(value for label, line in lines.items() if label not in without for value, _ in line))
    scale = axis_scale(key, values)
    if scale == "categorical":
        return {value: float(index) for index, value in enumerate(values)}, scale
    return {value: float(value) for value in values}, scale  # type: ignore[arg-type]


def _draw_line(axes: "Axes", points: Sequence[tuple[float, Estimate]], style: Style) -> tuple[float, float] | None:
    """Draws one norm; returns its last point, None if no run finished."""
    lost = [x for x, estimate in points if estimate.mean is None]
    foot = {"transform": axes.get_xaxis_transform(), "clip_on": False, "linestyle": "none", "markersize": 7}
    if lost:  # an empty artist that is not clipped breaks the layout
        axes.plot(lost, [0.015] * len(lost), marker="x", color=style.color, **foot)  # type: ignore[arg-type]
    known = [(x, 100 * e.mean, e) for x, e in points if e.mean is not None]
    if not known:
        return None
    most = max(estimate.n for _, _, estimate in known)
    xs, means = [x for x, _, _ in known], [mean for _, mean, _ in known]
    axes.plot(xs, means, color=style.color, linestyle=style.line, linewidth=1.6)
    intervals = [(x, 100 * e.low, 100 * e.high) for x, _, e in known if e.low is not None and e.high is not None]
    if intervals:
        at, low, high = (list(column) for column in zip(*intervals, strict=True))
        axes.fill_between(at, low, high, color=style.color, alpha=0.15, linewidth=0)
        axes.vlines(at, low, high, color=style.color, linewidth=1.0)
    for x, mean, estimate in known:
        face = style.color if estimate.low is not None else "white"
        axes.plot(x, mean, marker=style.marker, color=style.color, markerfacecolor=face, markersize=6)
        if estimate.n < most:
            axes.annotate(f"n={estimate.n}", (x, mean), (4, 5), textcoords="offset points", fontsize=TEXT_POINTS - 1.5)
    return xs[-1], means[-1]


def _set_axis(axes: "Axes", scale: str, places: Mapping[Value, float]) -> None:
    from matplotlib.ticker import NullLocator

    if scale.startswith("log"):
        axes.set_xscale("log", base=int(scale[3:]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(list(places.values()), [literal(_named(value)) for value in places])
    axes.margins(x=0.04)


def _named(value: Value) -> str:
    if value is None:
        return "not set"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _range(counts: Sequence[int]) -> str:
    low, high = min(counts), max(counts)
    return str(low) if low == high else f"{low} to {high}"


def _note(lines: Mapping[str, Line], diverged: Mapping[tuple[str, Value], int], key: str) -> str:
    estimates = [estimate for line in lines.values() for _, estimate in line]
    notes = []
    if any(estimate.low is not None for estimate in estimates):
        notes.append("Line: mean over n seeds; band and bar: 95 % t interval of that mean.")
    if any(estimate.n == 1 for estimate in estimates):
        notes.append("Hollow mark: a single run, no interval.")
    if any(len({estimate.n for _, estimate in line if estimate.n}) > 1 for line in lines.values()):
        notes.append("A mark with fewer runs than others of its line says its n.")
    without = [label for label, line in lines.items() if all(value is None for value, _ in line)]
    if without and len(without) < len(lines):
        notes.append(f"Level line: {', '.join(without)} without {key}.")
    if any(estimate.mean is None for estimate in estimates):
        notes.append("× at the foot: no run finished.")
    lost = [
        f"{label} at {_named(value)}: {plural(count, 'run')}" for (label, value), count in diverged.items() if count
    ]
    if lost:
        notes.append(f"Diverged, in no mean: {', '.join(lost)}.")
    return " ".join(notes)
