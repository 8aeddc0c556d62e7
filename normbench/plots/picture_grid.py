"""Images as they are, each with a text above and a text below it, in a grid that fits the page."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from normbench.plots.layout import SMALLEST_TYPE, Page, characters
from normbench.plots.save import literal

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Picture:
    """An image [3, H, W] and the lines above and below it."""

    image: "NDArray[np.uint8]"
    above: tuple[str, ...]
    below: tuple[str, ...] = ()


def type_size(pictures: Sequence[Picture], inches: float, page: Page) -> float:
    """The size in points at which the longest line fits a cell `inches` wide, at least SMALLEST_TYPE."""
    longest = max((len(line) for picture in pictures for line in (*picture.above, *picture.below)), default=1)
    return max(SMALLEST_TYPE, min(page.small, page.small * characters(inches, page.small) / longest))


def draw_pictures(cells: Iterable["Axes"], pictures: Sequence[Picture], inches: float, size: float) -> None:
    """Draws a picture into each cell, `inches` wide, with type of `size` points; a line that is too long ends in `…`.

    Cells that remain are empty.
    """
    most = characters(inches, size)
    places = list(cells)
    for axes in places:
        axes.set_axis_off()
    for axes, picture in zip(places, pictures, strict=False):
        axes.set_axis_on()
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
        axes.imshow(picture.image.transpose(1, 2, 0), interpolation="none")  # an SVG then holds the pixels themselves
        axes.set_title(_lines(picture.above, most), fontsize=size, pad=3)
        axes.set_xlabel(_lines(picture.below, most), fontsize=size, labelpad=3)


def _lines(lines: Sequence[str], most: int) -> str:
    return literal("\n".join(line if len(line) <= most else f"{line[: most - 1]}…" for line in lines))
