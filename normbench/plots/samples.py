"""A sheet of images, some of each class."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from normbench.plots.frame import frame
from normbench.plots.layout import OWN, Layout
from normbench.plots.picture_grid import Picture, draw_pictures, type_size
from normbench.plots.style import new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

CELL_INCHES = 0.9


def draw_samples(
    images: "NDArray[np.uint8]",
    labels: "NDArray[np.int64]",
    class_names: Sequence[str],
    title: str,
    about: str = "",
    columns: int = 8,
    seed: int = 0,
    layout: Layout = OWN,
) -> "Figure":
    """A row of `columns` images for each class, drawn at random from `seed`.

    images: [N, C, H, W] with one channel or three, shown unchanged. labels: [N]. A class with fewer images has empty
    cells, a class without one an empty row.
    """
    page = layout.page(CELL_INCHES * columns)
    inches = page.width / columns
    rows = [
        _row(images, np.flatnonzero(labels == index), name, columns, np.random.default_rng([seed, index]))
        for index, name in enumerate(class_names)
    ]
    figure = new_figure(page, (inches + 0.06 + 1.3 * page.small / 72) * len(rows))
    cells = figure.subplots(len(rows), columns, squeeze=False)
    size = type_size([picture for row in rows for picture in row], inches, page)
    for places, row in zip(cells, rows, strict=True):
        draw_pictures(places, row, inches, size)
    frame(figure, page, title, about)
    return figure


def _row(
    images: "NDArray[np.uint8]", members: "NDArray[np.int64]", name: str, columns: int, rng: np.random.Generator
) -> list[Picture]:
    """Pictures of one class; the first has its name above it."""
    chosen = np.sort(rng.permutation(members)[:columns])
    return [
        Picture(np.broadcast_to(images[place], (3, *images.shape[2:])), (name if number == 0 else "",))
        for number, place in enumerate(chosen)
    ]
