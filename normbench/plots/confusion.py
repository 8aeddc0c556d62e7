"""A norm's confusion matrix, and its difference from the baseline's."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from normbench.plots.frame import frame, wrapped
from normbench.plots.layout import EM, OWN, Layout, Page
from normbench.plots.save import literal
from normbench.plots.style import new_figure

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

CELL_INCHES = 0.5
SMALLEST_RANGE = 1.0  # percentage points that get the full colour at least, so that noise stays pale
MARKED = 0.5  # percentage points from which a difference gets a triangle, which shows good and bad in grey print
LONGEST_NAME = 14
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
    names = [_short(name) for name in class_names]
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
    _draw(panels[0], percent, percent, names, SHARES, PowerNorm(0.5, 0, 100), page, inches)
    _head(panels[0], f"{label}, n = {n}: % of each true class", page, inches)
    notes = ["Rows sum to 100 %."]
    if n > 1:
        notes.append("Mean over n runs.")
    title, legend, key = f"Confusion matrix of {label}", [], ""
    if baseline is not None:
        other, other_n, other_label = baseline
        _draw_difference(panels[1], percent - 100 * other, names, page, inches)
        counts = f"n = {n}" if n == other_n else f"n = {n} and {other_n}"
        _head(panels[1], f"{label} − {other_label}, {counts}: percentage points", page, inches)
        title += f" and its difference from {other_label}"
        legend, key = _better_and_worse(label, other_label), KEY
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
) -> None:
    import numpy as np
    from matplotlib.colors import Normalize

    good = better(points)
    finite = np.abs(points[np.isfinite(points)])
    largest = max(SMALLEST_RANGE, float(finite.max()) if finite.size else 0.0)
    scale = Normalize(-largest, largest)
    cell = _draw(axes, good, points, names, DIFFERENCES, scale, page, inches, signed=True)
    for marker, which in (("^", good >= MARKED), ("v", -good >= MARKED)):
        rows, columns = np.nonzero(which)
        dark = [_is_dark(DIFFERENCES, float(scale(good[at]))) for at in zip(rows, columns, strict=True)]
        colours = ["white" if is_dark else "0.15" for is_dark in dark]
        axes.scatter(columns, rows + 0.32, s=(0.14 * cell) ** 2, c=colours, marker=marker, linewidths=0)


def _draw(
    axes: "Axes",
    colours: "NDArray[np.float64]",
    values: "NDArray[np.float64]",
    names: Sequence[str],
    map_: str,
    scale: "Normalize",
    page: Page,
    inches: float,
    *,
    signed: bool = False,
) -> float:
    """Draws `values` as numbers on cells coloured by `colours`; returns the size of a cell in points."""
    import numpy as np

    axes.imshow(colours, cmap=map_, norm=scale, interpolation="none")
    around = EM * max(map(len, names)) * page.small / 72 + 0.35  # the names of the classes
    cell = max(1.0, inches - around) / len(names) * 72
    for (row, column), text in _written(values, cell / page.small, signed=signed).items():
        colour = "white" if _is_dark(map_, float(scale(colours[row, column]))) else "0.15"
        axes.text(column, row - 0.04, text, ha="center", va="center", fontsize=page.small, color=colour)
    every = max(1, int(np.ceil(1.3 * page.small / cell)))
    ticks, shown = range(0, len(names), every), [literal(name) for name in names[::every]]
    axes.set_xticks(ticks, shown, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(ticks, shown)
    axes.tick_params(length=0, labelsize=page.small)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("Predicted class", fontsize=page.text)
    axes.set_ylabel("True class", fontsize=page.text)
    return cell


def _written(values: "NDArray[np.float64]", room: float, *, signed: bool) -> "dict[tuple[int, ...], str]":
    """(row, column) -> the number in that cell, with the digits that fit `room` in the size of the type, if any do."""
    import numpy as np

    for digits in (1, 0):
        form = f"{{:{'+' if signed else ''}.{digits}f}}"
        texts = {
            place: _unsigned_zero(form.format(value)) for place, value in np.ndenumerate(values) if np.isfinite(value)
        }
        if max(map(_em, texts.values()), default=0.0) <= room:
            return texts
    return {}


def _em(number: str) -> float:
    """The width of a number in the size of its type: DejaVu Sans has wide digits and signs, and narrow points."""
    return sum({".": 0.32, "+": 0.84, "−": 0.84}.get(character, 0.64) for character in number)


def _unsigned_zero(number: str) -> str:
    return number.lstrip("+-") if float(number) == 0 else number.replace("-", "−")


def _is_dark(map_: str, place: float) -> bool:
    import matplotlib

    red, green, blue, _ = matplotlib.colormaps[map_](place)
    return bool(0.299 * red + 0.587 * green + 0.114 * blue < 0.5)


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


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"
