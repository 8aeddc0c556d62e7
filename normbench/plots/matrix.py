"""A square matrix of classes as coloured cells with numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from normbench.plots.layout import EM, Page
from normbench.plots.save import literal

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.colors import Normalize
    from numpy.typing import NDArray

LONGEST_NAME = 14


@dataclass(frozen=True)
class Cells:
    """The size of a cell in points, and whether its number fits into it."""

    points: float
    have_numbers: bool


def draw_matrix(
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
) -> Cells:
    """Draws `values` as numbers on cells coloured by `colours`, both [classes, classes]. NaN is an empty cell.

    inches: the width of the axes with their labels. signed: whether a number above 0 has a sign too.
    """
    import numpy as np

    axes.imshow(colours, cmap=map_, norm=scale, interpolation="none")
    around = EM * max(map(len, names)) * page.small / 72 + 0.35  # the names of the classes
    cell = max(1.0, inches - around) / len(names) * 72
    numbers = _written(values, cell / page.small, signed=signed)
    for (row, column), text in numbers.items():
        colour = ink(map_, float(scale(colours[row, column])))
        axes.text(column, row - 0.04, text, ha="center", va="center", fontsize=page.small, color=colour)
    every = max(1, int(np.ceil(1.3 * page.small / cell)))
    ticks, shown = range(0, len(names), every), [literal(name) for name in names[::every]]
    axes.set_xticks(ticks, shown, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(ticks, shown)
    axes.tick_params(length=0, labelsize=page.small)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("Predicted class", fontsize=page.text)
    axes.set_ylabel("True class", fontsize=page.text)
    return Cells(cell, bool(numbers))


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


def ink(map_: str, place: float) -> str:
    """The grey that can be read on the colour at `place`, 0 to 1, of a colour map."""
    import matplotlib

    red, green, blue, _ = matplotlib.colormaps[map_](place)
    return "white" if 0.299 * red + 0.587 * green + 0.114 * blue < 0.5 else "0.15"


def short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"
