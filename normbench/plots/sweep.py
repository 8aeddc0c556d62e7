"""Accuracy against the values of a config key, one line for each norm."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from normbench.analysis.stats.estimate import Estimate
from normbench.plots.frame import bar_key, frame, hollow_key, line_key
from normbench.plots.layout import OWN, Layout, Page
from normbench.plots.small_multiples import MANY, OTHERS, others_key, panels_of
from normbench.plots.spread import INTERVAL, TWO_RUNS, counts, spread_of
from normbench.plots.style import Style, new_figure, tidy
from normbench.plots.value_axis import Value, ValueAxis, axis_label, set_axis, value_axis, value_in_words
from normbench.plots.words import capitalized, in_words, metric_in_words
from normbench.text import plural

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.transforms import Transform

Line = Sequence[tuple[Value, Estimate]]
"""(value of the key, accuracy as a fraction) of one norm; the value is None for runs whose config lacks the key."""

BESIDE_POINTS = 7.0  # distance of two norms' bars at one value
SHARE = 0.6  # of the distance between two values: what the bars at one value take at most


def draw_sweep(
    lines: Mapping[str, Line],
    diverged: Mapping[tuple[str, Value], int],
    key: str,
    split: str,
    about: str,
    styles: Mapping[str, Style],
    layout: Layout = OWN,
) -> "Figure":
    """Draws each norm's mean accuracy over the values of `key`, with its 95 % t interval as a bar.

    lines: by label. diverged: number of diverged runs by (label, value); the small print names them.

    The bars at one value stand beside each other. More than MANY norms get a panel each. The horizontal axis has the
    scale of `axis_scale`. A norm whose config lacks the key (BN beside the groups of GN) is a level line. A point shows
    n if n is below the largest of its line. A cross at the foot marks a value at which no run finished.
    """
    page = layout.page(10 if len(lines) > MANY else 8)
    axis = value_axis({label: [value for value, _ in line] for label, line in lines.items()}, key)
    points = {label: _points(line, axis) for label, line in lines.items()}
    texts = {label: f"{label}, {counts(estimate for _, estimate in line)}" for label, line in lines.items()}
    accuracy = capitalized(metric_in_words(split, "accuracy"))
    if len(lines) > MANY:
        figure, panels = panels_of(page, texts, axis_label(key, axis), accuracy)
        legend = [others_key("means of the other norms")]
        for label, axes in panels.items():
            for others in points.values():
                axes.plot(*_means(others), **OTHERS)
            _draw_line(axes, points[label], styles[label], 0.0, page)
    else:
        figure = new_figure(page, max(1.9, 0.45 * page.width))
        panels = dict.fromkeys(lines, figure.subplots())
        legend = [line_key(texts[label], styles[label]) for label in lines]
        for (label, axes), aside in zip(panels.items(), _beside(len(lines), len(axis.places), page), strict=True):
            _draw_line(axes, points[label], styles[label], aside, page)
            axes.set(xlabel=axis_label(key, axis), ylabel=accuracy)
    for axes in panels.values():
        set_axis(axes, axis)
        tidy(axes, page)
        _fit(axes, points.values())
    legend += _bar_keys(lines)
    frame(figure, page, f"{accuracy} by {in_words(key)}", about, legend=legend, notes=_notes(lines, diverged, key))
    return figure


def _points(line: Line, axis: ValueAxis) -> list[tuple[float, Estimate]]:
    """(place, mean) from left to right; two places with the same mean for a norm that lacks the key."""
    points = {axis.places[value]: estimate for value, estimate in line if value in axis.places}
    if not points and axis.places:
        points = dict.fromkeys((min(axis.places.values()), max(axis.places.values())), line[0][1])
    return sorted(points.items(), key=lambda point: point[0])


def _beside(norms: int, values: int, page: Page) -> list[float]:
    """How far the bars of each norm are moved to the right, in points."""
    step = min(BESIDE_POINTS, SHARE * 72 * page.width / max(1, values) / max(1, norms))
    return [step * (index - (norms - 1) / 2) for index in range(norms)]


def _draw_line(axes: "Axes", points: Sequence[tuple[float, Estimate]], style: Style, aside: float, page: Page) -> None:
    moved, foot = _moved(axes, axes.transData, aside), _moved(axes, axes.get_xaxis_transform(), aside)
    known = [(x, 100 * e.mean, e) for x, e in points if e.mean is not None]
    most = max((estimate.n for _, _, estimate in known), default=0)
    axes.plot(*_means(points), color=style.color, linestyle=style.line, linewidth=page.line, transform=moved)
    for x, estimate in points:
        if estimate.mean is None:  # an empty artist that is not clipped would break the layout
            cross = {"marker": "x", "markersize": 6, "clip_on": False}
            axes.plot([x], [0.015], color=style.color, transform=foot, **cross)  # type: ignore[arg-type]
    for x, mean, estimate in known:
        spread = spread_of(estimate)
        if spread:
            ends = [[max(0.0, mean - spread.low)], [max(0.0, spread.high - mean)]]
            cap = 2.5 if spread.is_interval else 0
            axes.errorbar(
                *(x, mean),
                yerr=ends,
                color=style.color,
                capsize=cap,
                linewidth=0.8 * page.line,
                linestyle="none",
                transform=moved,
            )
        face = style.color if spread and spread.is_interval else "white"
        look = {"marker": style.marker, "markerfacecolor": face, "markersize": page.marker + 0.5}
        axes.plot([x], [mean], color=style.color, transform=moved, **look)  # type: ignore[arg-type]
        if estimate.n < most:
            axes.annotate(f"n={estimate.n}", (x, mean), (4 + aside, 5), textcoords="offset points", fontsize=page.small)


def _means(points: Sequence[tuple[float, Estimate]]) -> tuple[list[float], list[float]]:
    """The places of the means that are known, and the means in %."""
    known = [(x, 100 * estimate.mean) for x, estimate in points if estimate.mean is not None]
    return [x for x, _ in known], [mean for _, mean in known]


def _moved(axes: "Axes", transform: "Transform", aside: float) -> "Transform":
    from matplotlib.transforms import ScaledTranslation

    figure = axes.get_figure(root=True)
    assert figure is not None
    return transform + ScaledTranslation(aside / 72, 0, figure.dpi_scale_trans)


def _fit(axes: "Axes", lines: Iterable[Sequence[tuple[float, Estimate]]]) -> None:
    """Fits the vertical axis to all means and bars: matplotlib does not see what is drawn beside its place."""
    shown = [100 * estimate.mean for line in lines for _, estimate in line if estimate.mean is not None]
    spreads = [spread for line in lines for _, estimate in line if (spread := spread_of(estimate)) is not None]
    shown += [end for spread in spreads for end in (spread.low, spread.high)]
    if shown:
        margin = 0.05 * (max(shown) - min(shown)) or 0.5
        axes.set_ylim(min(shown) - margin, max(shown) + margin)


def _bar_keys(lines: Mapping[str, Line]) -> list["Artist"]:
    """What bars and hollow marks mean, for the legend."""
    found = {estimate.n for line in lines.values() for _, estimate in line}
    keys: list[Artist] = []
    if max(found, default=0) > 2:
        keys.append(bar_key(INTERVAL))
    if 2 in found:
        keys.append(hollow_key(TWO_RUNS, "-"))
    if 1 in found:
        keys.append(hollow_key("n = 1: a single run", "none"))
    if 0 in found:
        keys.append(line_key("no run finished", Style("0.35", "none", "x")))
    return keys


def _notes(lines: Mapping[str, Line], diverged: Mapping[tuple[str, Value], int], key: str) -> list[str]:
    notes = ["Line: mean over n seeds."]
    if any(len({estimate.n for _, estimate in line if estimate.n}) > 1 for line in lines.values()):
        notes.append("A mark with fewer runs than others of its line says its n.")
    without = [label for label, line in lines.items() if all(value is None for value, _ in line)]
    if without and len(without) < len(lines):
        notes.append(f"Level line: {', '.join(without)} without {in_words(key)}.")
    known = {key: count for key, count in diverged.items() if count}
    lost = [f"{label} at {value_in_words(value)}: {plural(n, 'run')}" for (label, value), n in known.items()]
    if lost:
        notes.append(f"Diverged, in no mean: {', '.join(lost)}.")
    return notes
