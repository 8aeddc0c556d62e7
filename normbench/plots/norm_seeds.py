"""The accuracy of every run as a dot, with each norm's mean and interval."""

from collections.abc import Collection, Mapping
from itertools import pairwise
from typing import TYPE_CHECKING

from normbench.plots.frame import bar_key, frame, line_key
from normbench.plots.layout import OWN, Layout, Page
from normbench.plots.save import literal
from normbench.plots.seed_rows import BAR_INCHES, Row, dot_points, place_rows
from normbench.plots.spread import FEWEST, spread_of
from normbench.plots.style import Style, new_figure, tidy
from normbench.plots.words import SPLITS, capitalized, metric_in_words

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_JOINED, MOST_SEEDS = 6, 12  # norms, and seeds of two norms; more lines between them hide the dots


def draw_norm_seeds(
    accuracies: Mapping[str, Mapping[int, float]],
    diverged: Mapping[str, int],
    split: str,
    about: str,
    styles: Mapping[str, Style],
    layout: Layout = OWN,
) -> "Figure":
    """Draws each norm's accuracies as a row of dots, with the mean and its 95 % t interval below them.

    accuracies: norm's label -> seed -> fraction. diverged: how many runs of the norm have no accuracy.

    Dots that would hide each other are stacked. Thin lines join the runs of one seed where neighbouring norms share two
    to MOST_SEEDS seeds. Beside each row, on a narrow page above it, stand mean, interval and n.
    """
    page = layout.page(9)
    rows = place_rows(accuracies, diverged, page)
    lowest = list(rows.values())[-1].end
    figure = new_figure(page, lowest + 0.45)
    axes = figure.subplots()
    joined = len(rows) <= MOST_JOINED and _join(axes, list(rows.values()))
    for label, row in rows.items():
        _draw_row(axes, row, styles[label], page)
    _write(axes, rows, page)
    axes.set_ylim(lowest, 0)  # the first norm on top
    axes.set_xlabel(capitalized(metric_in_words(split, "accuracy")))
    tidy(axes, page, grid="x")
    if not any(accuracies.values()):
        axes.set_xticks([])
    counts = {row.estimate.n for row in rows.values()}
    title = f"{capitalized(SPLITS[split])} accuracy of each seed"
    legend, notes = _legend(counts, joined=joined), _notes(counts, joined=joined)
    frame(figure, page, title, about, legend=legend, notes=notes)
    return figure


def _draw_row(axes: "Axes", row: Row, style: Style, page: Page) -> None:
    size = dot_points(page) * (1.25 if style.marker in "*PX" else 1)  # these look smaller
    axes.plot(
        *([x for x, _ in row.dots.values()], [y for _, y in row.dots.values()]),
        color=style.color,
        linestyle="none",
        marker=style.marker,
        markersize=size,
        markeredgecolor="white",
        markeredgewidth=0.6,
    )
    mean, spread = row.estimate.mean, spread_of(row.estimate)
    if mean is None or spread is None or not spread.is_interval:
        return  # one or two dots say more than a bar
    axes.errorbar(
        *(100 * mean, row.base + BAR_INCHES),
        xerr=[[100 * mean - spread.low], [spread.high - 100 * mean]],
        color=style.color,
        linewidth=page.line,
        marker="|",
        markersize=5.5 * page.line,
        markeredgewidth=1.2 * page.line,
        capsize=1.8 * page.line,
    )


def _join(axes: "Axes", rows: Collection[Row]) -> bool:
    """Joins the runs of one seed between neighbouring rows; returns whether any were joined."""
    joined = False
    for upper, lower in pairwise(rows):
        shared = [seed for seed in upper.dots if seed in lower.dots]
        if not 2 <= len(shared) <= MOST_SEEDS:
            continue
        joined = True
        for seed in shared:
            ends = zip(upper.dots[seed], lower.dots[seed], strict=True)
            axes.plot(*map(list, ends), color="0.8", linewidth=0.7, zorder=0.5)
    return joined


def _write(axes: "Axes", rows: Mapping[str, Row], page: Page) -> None:
    """Writes label, mean, interval and n of each norm."""
    across = axes.get_yaxis_transform()
    if page.is_narrow:
        axes.set_yticks([])
        for label, row in rows.items():
            axes.axhline(row.end, color="0.9", linewidth=0.8, zorder=0.4)
            text = axes.text(0.01, row.top, literal(f"{label}: {row.text}"), transform=across, fontsize=page.small)
            text.set(va="bottom", bbox={"color": "white", "pad": 0.3})
        return
    axes.set_yticks([row.base for row in rows.values()], [literal(label) for label in rows])
    for row in rows.values():
        axes.text(1.02, row.base, row.text, transform=across, va="center", fontsize=page.small)


def _legend(counts: Collection[int], *, joined: bool) -> list["Artist"]:
    keys = [line_key("one run", Style("0.35", "none", "o"))]
    if any(n >= FEWEST for n in counts):
        keys.append(bar_key("mean and its 95 % t interval"))
    if joined:
        keys.append(line_key("runs of the same seed", Style("0.75", "-", "")))
    return keys


def _notes(counts: Collection[int], *, joined: bool) -> list[str]:
    notes = []
    if any(0 < n < FEWEST for n in counts):
        notes.append(f"No interval is drawn from fewer than {FEWEST} runs: they hardly show how far runs lie apart.")
    if joined:
        notes.append("Runs of the same seed have the same initial weights of the convolutions and order of images.")
    return notes
