"""The look of a comparison's figures: one style for each norm, distinct for colour-blind readers and in grey."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from normbench.plots.save import literal

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe & Ito 2008, Color universal design, without the yellow, which is invisible on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
LINES: tuple[Any, ...] = ("-", (0, (5, 1.6)), (0, (6, 1.5, 1, 1.5)), (0, (1.2, 1.2)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*")

TEXT_POINTS = 8.5
LABEL_POINTS = 1.3 * TEXT_POINTS  # distance between two labels
NOTE_COLOUR = "0.35"
_CHARACTERS_PER_INCH = 17  # in the small print


@dataclass(frozen=True)
class Style:
    """How one norm is drawn. (colour, line) is unique among 28 norms, (colour, line, marker) among 140."""

    color: str
    line: Any
    marker: str


def norm_styles(labels: Sequence[str]) -> dict[str, Style]:
    """A style for each label. It depends on the label's position only."""
    return {
        label: Style(COLOURS[i % len(COLOURS)], LINES[i % len(LINES)], MARKERS[i % len(MARKERS)])
        for i, label in enumerate(labels)
    }


def caption(figure: "Figure", title: str, about: str, notes: Sequence[str]) -> None:
    """Sets the title with `about` (data and runs of the figure) below it, and the notes as small print at the foot."""
    width = figure.get_figwidth()
    parts = about.replace(" ", "\xa0").replace(",\xa0", ", ")  # lines may break at commas only
    head = "\n".join(textwrap.wrap(parts, int(width * 13.5))).replace("\xa0", " ")
    figure.suptitle(literal(f"{title}\n{head}" if head else title), fontsize=10)
    lines = [line for note in notes for line in textwrap.wrap(note, int(width * _CHARACTERS_PER_INCH))]
    if lines:
        figure.supxlabel(literal("\n".join(lines)), fontsize=7.5, color=NOTE_COLOUR, x=0.01, ha="left")


def tidy(axes: "Axes", grid: Literal["both", "x", "y"] = "both") -> None:
    """Draws a faint grid behind the data, and no frame on the right and at the top."""
    axes.grid(axis=grid, color="0.9", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def label_ends(
    axes: "Axes", ends: Mapping[str, tuple[float, float]], texts: Mapping[str, str], styles: Mapping[str, Style]
) -> None:
    """Labels each line right of the axes, beside its last point (x, y), where a legend would be far from the line.

    Labels that would overlap are moved apart; a thin line leads to each. Call it after limits and scale are set.
    """
    from matplotlib.lines import Line2D

    axes.get_xlim()  # makes matplotlib update the limits, which are stale after the last plot call
    to_axes = axes.transData + axes.transAxes.inverted()
    at = {label: to_axes.transform(point) for label, point in ends.items()}
    places = spread([float(y) for _, y in at.values()], LABEL_POINTS / 72 / _height_inches(axes))
    for (label, (x, y)), place in zip(at.items(), places, strict=True):
        style = styles[label]
        leader = Line2D([x, max(x, 1.0), 1.05], [y, y, place], color=style.color, linewidth=0.7)
        sample = Line2D([1.05, 1.13], [place, place], color=style.color, linestyle=style.line, linewidth=1.6)
        mark = Line2D([1.09], [place], color=style.color, marker=style.marker, markersize=5)
        for line in (leader, sample, mark):
            line.set(transform=axes.transAxes, clip_on=False)
            axes.add_artist(line)
        text = literal(texts[label])
        axes.text(1.145, place, text, transform=axes.transAxes, fontsize=TEXT_POINTS, va="center")


def _height_inches(axes: "Axes") -> float:
    """Roughly the height of the axes after the layout has made room for titles and labels."""
    figure, place = axes.get_figure(root=True), axes.get_subplotspec()
    assert figure is not None and place is not None
    return float(1.04 * figure.get_figheight() * place.get_position(figure).height)


def figure_height(num_labels: int, rows: int = 1, least: float = 5.0) -> float:
    """Height in inches at which each of `rows` stacked axes has room for `num_labels` labels at its side."""
    return max(least, rows * (num_labels + 1) * LABEL_POINTS / 72 + 1.5)


def spread(places: Sequence[float], gap: float) -> list[float]:
    """`places` moved apart by the least squares possible, until neighbours are at least `gap` apart.

    The result lies within 0 and 1 if there is room. Equal places keep their order. With rank i, place − i · gap must
    not decrease, so this is an isotonic regression, solved by pooling adjacent violators (Barlow et al. 1972,
    Statistical inference under order restrictions).
    """
    order = sorted(range(len(places)), key=places.__getitem__)
    pools: list[tuple[float, int]] = []  # (mean, members)
    for rank, index in enumerate(order):
        mean, members = places[index] - rank * gap, 1
        while pools and pools[-1][0] > mean:
            below, more = pools.pop()
            mean, members = (mean * members + below * more) / (members + more), members + more
        pools.append((mean, members))
    highest = max(0.0, 1 - (len(places) - 1) * gap)
    levels = [min(max(mean, 0.0), highest) for mean, members in pools for _ in range(members)]
    moved = [0.0] * len(places)
    for rank, (index, level) in enumerate(zip(order, levels, strict=True)):
        moved[index] = level + rank * gap
    return moved
