"""The N, C, H·W block of a tensor, with one set of values that share their statistics in colour."""

import math
import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from normbench.plots.frame import frame
from normbench.plots.layout import OWN, Layout, Page, characters
from normbench.plots.save import literal
from normbench.plots.style import COLOURS, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHARED, OTHER, EDGE = COLOURS[0], "#EDEDED", "0.55"
SHADES = {"front": 1.0, "top": 1.12, "side": 0.8}
DEPTH = (0.5, 0.36)  # offset of the next image along N: to the right, upwards
COLUMNS, PANEL_INCHES, LEAST_INCHES = 3, 3.0, 1.5

Point = tuple[float, float]
Sets = Sequence[Sequence[Sequence[Sequence[int]]]]
"""[N][C][H][W]: the number of each value's set."""


def draw_shared_sets(blocks: Sequence[tuple[str, str, Sets]], layout: Layout = OWN) -> "Figure":
    """Draws each (norms, description, sets) as a block: C to the right, H·W downwards, N into the page.

    All sets have one shape. The set in colour is that of the last channel of the first image, which lies on all three
    visible faces. After Wu & He 2018, arXiv:1803.08494, figure 2.
    """
    first = blocks[0][2]
    n, c, h, w = len(first), len(first[0]), len(first[0][0]), len(first[0][0][0])
    page = layout.page(PANEL_INCHES * min(COLUMNS, len(blocks)))
    columns = page.columns_of(LEAST_INCHES, min(COLUMNS, len(blocks)))
    rows, inches = math.ceil(len(blocks) / columns), page.width / columns
    titles = [
        [line for text in texts for line in textwrap.wrap(text, characters(inches, page.small))] for *texts, _ in blocks
    ]
    flatness = (h * w + n * DEPTH[1]) / (c + n * DEPTH[0])
    height = inches * min(1.5, flatness) + (max(map(len, titles)) + 2) * 1.3 * page.small / 72
    figure = new_figure(page, height * rows)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in panels:
        axes.set_axis_off()
    for axes, title, (*_, sets) in zip(panels, titles, blocks, strict=False):
        _draw_block(axes, "\n".join(title), sets, page, min(0.5, 0.05 * 72 * inches / (c + n * DEPTH[0])))
    block = f"N = {n}, C = {c}, H = {h}, W = {w}"
    frame(figure, page, "Values that share their statistics", block, key="In colour: one of the sets.")
    return figure


def _draw_block(axes: "Axes", title: str, sets: Sets, page: Page, edge: float) -> None:
    from matplotlib.collections import PolyCollection
    from matplotlib.colors import to_rgb

    flat = [[[number for row in channel for number in row] for channel in image] for image in sets]
    num_images, num_channels, num_pixels = len(flat), len(flat[0]), len(flat[0][0])
    shared = flat[0][-1][0]
    corners, colours = [], []
    for face, (n, c, p), corner in _faces(num_images, num_channels, num_pixels):
        base = to_rgb(SHARED if flat[n][c][p] == shared else OTHER)
        corners.append(corner)
        colours.append(tuple(min(1.0, SHADES[face] * part) for part in base))
    axes.add_collection(PolyCollection(corners, facecolors=colours, edgecolors=EDGE, linewidths=edge))
    type_: Any = {"fontsize": page.small}
    axes.text(num_channels / 2, -num_pixels - 0.15, "C", ha="center", va="top", **type_)
    axes.text(-0.2, -num_pixels / 2, "H, W", ha="right", va="center", rotation=90, **type_)
    axes.text(num_images * DEPTH[0] / 2 - 0.2, num_images * DEPTH[1] / 2 + 0.1, "N", ha="right", va="bottom", **type_)
    axes.set_title(literal(title), **type_)
    axes.set_aspect("equal")
    axes.autoscale_view()


def _faces(images: int, channels: int, pixels: int) -> Iterator[tuple[str, tuple[int, int, int], list[Point]]]:
    """(face, index (n, c, pixel) of the value shown, four corners) of every visible square of the block."""

    def at(n: float, c: float, p: float) -> Point:
        return c + n * DEPTH[0], -p + n * DEPTH[1]

    for c in range(channels):
        for p in range(pixels):
            yield "front", (0, c, p), [at(0, c, p), at(0, c + 1, p), at(0, c + 1, p + 1), at(0, c, p + 1)]
        for n in range(images):
            yield "top", (n, c, 0), [at(n, c, 0), at(n, c + 1, 0), at(n + 1, c + 1, 0), at(n + 1, c, 0)]
    right = channels
    for n in range(images):
        for p in range(pixels):
            corners = [at(n, right, p), at(n + 1, right, p), at(n + 1, right, p + 1), at(n, right, p + 1)]
            yield "side", (n, channels - 1, p), corners
