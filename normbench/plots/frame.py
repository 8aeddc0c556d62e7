"""What stands around the panels of a figure: the title above them, the legend and the notes below."""

import math
import textwrap
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from normbench.plots.layout import EM, Page, characters
from normbench.plots.save import literal
from normbench.plots.style import Style

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.figure import Figure


NOTE_COLOUR = "0.35"
PAD = 0.06  # inches
LINE_HEIGHT = 1.3  # in the size of the type
FONT_HEIGHT = 1.16  # of DejaVu Sans, in its size
HANDLE = 2.6  # length of a legend's sample of a line, in the size of the type


def frame(
    figure: "Figure",
    page: Page,
    title: str,
    about: str,
    *,
    legend: Sequence["Artist"] = (),
    key: str = "",
    notes: Sequence[str] = (),
) -> None:
    """Puts title, legend and notes around the panels. The figure grows by their height: the panels keep theirs.

    about: data and runs of the figure, below the title. legend: artists with labels. key: what the texts in the panels
    mean. On a page without a title neither title, `about` nor notes are drawn.
    """
    small, line = page.small / 72 * LINE_HEIGHT, page.text / 72 * LINE_HEIGHT
    inches = page.width - 2 * PAD
    head = wrapped(title, inches, page.text) if page.title else []
    data = wrapped(about, inches, page.small, at=", ") if page.title else []
    foot = wrapped(key, inches, page.small)
    foot += wrapped(" ".join(notes), inches, page.small) if page.title else []
    columns, rows = _grid(legend, page)
    keys = rows * 1.6 * page.small / 72 + PAD if rows else 0.0
    top = (len(head) * line + len(data) * small + PAD) if head else 0.0
    bottom = keys + (len(foot) * small + PAD if foot else 0.0)
    panels = float(figure.get_figheight())
    height = panels + top + bottom
    figure.set_size_inches(page.width, height)
    figure.get_layout_engine().set(rect=(0, bottom / height, 1, panels / height))  # type: ignore[union-attr, call-arg]

    def put(lines: Sequence[str], x: float, y: float, **options: Any) -> None:
        text = literal("\n".join(lines))
        figure.text(x, y / height, text, linespacing=LINE_HEIGHT / FONT_HEIGHT, verticalalignment="top", **options)

    if head:
        put(head, 0.5, height - PAD, ha="center", fontsize=page.text)
        put(data, 0.5, height - PAD - len(head) * line, ha="center", fontsize=page.small, color=NOTE_COLOUR)
    if foot:
        put(foot, PAD / page.width, len(foot) * small + PAD / 2, ha="left", fontsize=page.small, color=NOTE_COLOUR)
    if legend:
        figure.legend(
            handles=legend,
            loc="upper center",
            bbox_to_anchor=(0.5, bottom / height),
            ncols=columns,
            frameon=False,
            fontsize=page.small,
            handlelength=HANDLE,
            labelspacing=0.35,
            borderpad=0.0,
            borderaxespad=0.2,
            columnspacing=1.5,
        )


def wrapped(text: str, inches: float, points: float, at: str = " ") -> list[str]:
    """`text` in lines of at most so many inches; they break at spaces, or only behind `at`."""
    if at != " ":
        text = at.replace(" ", "\0").join(part.replace(" ", "\xa0") for part in text.split(at)).replace("\0", " ")
    lines = textwrap.wrap(text, characters(inches, points), break_on_hyphens=False)
    return [line.replace("\xa0", " ") for line in lines]


def _grid(legend: Sequence["Artist"], page: Page) -> tuple[int, int]:
    """Columns and rows of a legend that is filled column by column: as many columns as fit the page."""
    widths = [EM * len(str(handle.get_label())) + HANDLE + 2.5 for handle in legend]
    for columns in range(len(legend), 1, -1):
        least, longer = divmod(len(legend), columns)  # the first columns hold one more
        firsts = [column * least + min(column, longer) for column in range(columns + 1)]
        needed = sum(max(widths[first:end]) for first, end in pairwise(firsts))
        if needed * page.small / 72 <= page.width - 2 * PAD:
            rows = least + (longer > 0)
            return math.ceil(len(legend) / rows), rows
    return 1, len(legend)


def line_key(label: str, style: Style, **changes: Any) -> "Artist":
    """A legend's sample of a norm's line and marker."""
    from matplotlib.lines import Line2D

    look: dict[str, Any] = {"color": style.color, "linestyle": style.line, "marker": style.marker}
    sizes = {"linewidth": 1.4, "markersize": 4.5}
    return Line2D([], [], label=literal(label), **(look | sizes | changes))


def band_key(label: str) -> "Artist":
    """A legend's sample of a band, in grey as it stands for those of all norms."""
    from matplotlib.patches import Patch

    return Patch(facecolor="0.88", edgecolor="0.5", linewidth=0.6, label=label)


def bar_key(label: str) -> "Artist":
    """A legend's sample of a mean with a bar."""
    return line_key(label, Style("0.35", "-", "|"), markersize=6, linewidth=1.2)


def hollow_key(label: str, line: str) -> "Artist":
    """A legend's sample of a hollow mark, which is a mean without an interval; `line` is the style of its bar."""
    return line_key(label, Style("0.35", line, "o"), markerfacecolor="white", linewidth=1.2)
