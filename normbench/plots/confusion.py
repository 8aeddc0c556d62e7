"""A norm's confusion matrix, and its difference from the baseline's."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from normbench.plots.frame import frame, wrapped
from normbench.plots.layout import OWN, Layout, Page
from normbench.plots.matrix import draw_matrix, ink, short
from normbench.plots.save import literal
from normbench.plots.style import new_figure

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

CELL_INCHES = 0.5
SMALLEST_RANGE = 1.0  # percentage points that get the full colour at least, so that noise stays pale
MARKED = 0.5  # percentage points from which a difference gets a triangle, which shows good and bad in grey print
KEY = f"Better: more on the diagonal, less elsewhere. A triangle marks {MARKED:g} percentage points and more."
SHARES, DIFFERENCES = "Blues", "RdBu"  # red for worse, blue for better


def draw_confusion(
    rates: "NDArray[np.float64]",
    n: int,
    label: str,
    class_names: Sequence[str],
    about: str,
    baseline: "tuple[NDArray[np.float64], int, str] | None" = None,
    layout: Layout = OWN,
) -> "Figure":
    """Draws a norm's confusion matrix in % of each true class and, with a baseline, its difference in points.

    rates: [classes, classes], fractions, means over n runs. [i, j] is the share of the images of class i that were
        predicted as class j. The row of a class without images is NaN.
    about: the line under the title, which names the data and the runs.
    baseline: (rates, n, label) of the norm that is subtracted.

    Every cell shows its number, a difference with its sign. A difference is blue where the norm is better: more on the
    diagonal, less elsewhere. A narrow page has the two matrices below each other.
    """
    names = [short(name) for name in class_names]
    side = max(4.0, CELL_INCHES * len(names) + 1.2)
    page = layout.page((side + 0.6) * (2 if baseline else 1))
    stacked = page.is_narrow or baseline is None
    rows, columns = ((2, 1) if stacked else (1, 2)) if baseline else (1, 1)
    inches = page.width / columns
    figure = new_figure(page, rows * (inches + 0.1))
    from matplotlib.colors import PowerNorm

    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    percent = 100 * rates
    # A square-root scale: otherwise 2 % and 5 % look alike beside a diagonal of 90 %.
    draw_matrix(panels[0], percent, percent, names, SHARES, PowerNorm(0.5, 0, 100), page, inches)
    _head(panels[0], f"{label}, n = {n}: % of each true class", page, inches)
    notes = ["Rows sum to 100 %."]
    if n > 1:
        notes.append("Mean over n runs.")
    title, legend, key = f"Confusion matrix of {label}", [], ""
    if baseline is not None:
        other, other_n, other_label = baseline
        more = _draw_difference(panels[1], percent - 100 * other, names, page, inches)
        counts = f"n = {n}" if n == other_n else f"n = {n} and {other_n}"
        _head(panels[1], f"{label} − {other_label}, {counts}: percentage points", page, inches)
        title += f" and its difference from {other_label}"
        legend, key = _better_and_worse(label, other_label), KEY + more
        if 1 in (n, other_n):
            notes.append("n = 1: the difference holds the chance of single runs too.")
    frame(figure, page, title, about, legend=legend, key=key, notes=notes)
    return figure


def better(points: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """Differences [classes, classes] with the sign that is + where it is better: right more often, wrong less often."""
    import numpy as np

    return np.where(np.eye(len(points), dtype=bool), points, -points)


def _head(axes: "Axes", title: str, page: Page, inches: float) -> None:
    lines = wrapped(title, inches - 0.9, page.text)  # beside the names of the classes
    axes.set_title(literal("\n".join(lines)), fontsize=page.text)


def _draw_difference(
    axes: "Axes", points: "NDArray[np.float64]", names: Sequence[str], page: Page, inches: float
) -> str:
    """Returns what to add to KEY: the scale of the colours where no cell has its number."""
    import numpy as np
    from matplotlib.colors import Normalize

    good = better(points)
    finite = np.abs(points[np.isfinite(points)])
    largest = max(SMALLEST_RANGE, float(finite.max()) if finite.size else 0.0)
    scale = Normalize(-largest, largest)
    cells = draw_matrix(axes, good, points, names, DIFFERENCES, scale, page, inches, signed=True)
    below, size = (0.32, 0.14) if cells.have_numbers else (0.0, 0.5)  # in cells
    for marker, which in (("^", good >= MARKED), ("v", -good >= MARKED)):
        rows, columns = np.nonzero(which)
        colours = [ink(DIFFERENCES, float(scale(good[at]))) for at in zip(rows, columns, strict=True)]
        axes.scatter(columns, rows + below, s=(size * cells.points) ** 2, c=colours, marker=marker, linewidths=0)
    return "" if cells.have_numbers else f" Full colour: {largest:.1f} points."


def _better_and_worse(label: str, other: str) -> list["Artist"]:
    import matplotlib
    from matplotlib.lines import Line2D

    colours = matplotlib.colormaps[DIFFERENCES]
    look = {"linestyle": "none", "markersize": 7.0, "markeredgewidth": 0}
    said = {"^": f"blue: {label} better than {other}", "v": f"red: {label} worse"}
    places = {"^": 0.85, "v": 0.15}
    return [
        Line2D([], [], marker=marker, color=colours(places[marker]), label=literal(text), **look)  # type: ignore[arg-type]
        for marker, text in said.items()
    ]
