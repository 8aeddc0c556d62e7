"""A panel for each norm, for more norms than one panel can show: the norm in colour, before all others in grey."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from normbench.plots.frame import line_key, wrapped
from normbench.plots.layout import Page
from normbench.plots.save import literal
from normbench.plots.style import Style, new_figure

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MANY = 7  # norms; more lines in one panel hide each other
OTHERS: dict[str, Any] = {"color": "0.82", "linewidth": 0.8, "zorder": 0.8}
"""How the other norms are drawn in the panel of one."""
PANEL_INCHES, MOST_COLUMNS = 1.05, 5
FLATNESS = 0.8


def panels_of(page: Page, titles: Mapping[str, str], x: str, y: str) -> tuple["Figure", dict[str, "Axes"]]:
    """A figure with a panel for each label, under its title. All panels have the same axes, with labels `x` and `y`."""
    columns = page.columns_of(PANEL_INCHES, min(MOST_COLUMNS, len(titles)))
    rows, inches = math.ceil(len(titles) / columns), page.width / columns
    heads = {label: wrapped(title, inches, page.small, at=", ") for label, title in titles.items()}
    height = FLATNESS * inches + max(map(len, heads.values())) * 1.3 * page.small / 72
    figure = new_figure(page, rows * height + 0.2)
    cells = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    panels = dict(zip(titles, cells.flat, strict=False))
    for unused in cells.flat[len(titles) :]:
        unused.set_axis_off()
    for lowest in cells.flat[len(titles) - columns : len(titles)]:
        lowest.tick_params(labelbottom=True)  # there may be an empty place below it
        lowest.set_xlabel(x)
    for first in cells[:, 0]:
        first.set_ylabel(y)
    for label, axes in panels.items():
        axes.set_title(literal("\n".join(heads[label])), fontsize=page.small, pad=3)
        axes.tick_params(labelsize=page.small)
    return figure, panels


def others_key(label: str) -> "Artist":
    """The legend's sample of the other norms' lines."""
    return line_key(label, Style(OTHERS["color"], "-", ""))
