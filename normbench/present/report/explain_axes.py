"""The N, C, H·W block with what each norm shares: in numbers on a terminal, in colour as a picture."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from normbench.explain.axes import AxesPicture, Shares
from normbench.plots.save import save_png

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TERMINAL_COLOURS = ("cyan", "yellow", "green", "magenta", "blue", "red")
SHARED, OTHER, EDGE = (0.0, 0.45, 0.70), (0.93, 0.93, 0.93), "0.55"
SHADES = {"front": 1.0, "top": 1.12, "side": 0.8}
DEPTH = (0.5, 0.36)  # how far a step along N goes right and up
COLUMNS, PANEL_INCHES = 3, 3.4

Point = tuple[float, float]


def print_axes(picture: AxesPicture, console: Console) -> None:
    """A grid of N rows and C columns a norm: the same number, the same mean and deviation."""
    for norm in picture.norms:
        console.print(Text(f"{norm.norm}: {_described(norm)}", style="bold"))
        _print_grid(norm, console)
        console.print()
    for label in picture.unknown:
        console.print(Text(f"{label}: it is not known which values share statistics\n"))
    note = "A cell is a channel of an image; cells with the same number are normalized with the same statistics."
    console.print(Text(note, style="dim"))


def _print_grid(norm: Shares, console: Console) -> None:
    names = [[_cell(channel) for channel in image] for image in norm.sets]
    num_channels = len(names[0])
    width = max(len(f"c{num_channels - 1}"), *(len(name) for image in names for name, _ in image))
    label = len(f"  n{len(names) - 1}") + 1
    abreast = max(1, (console.width - label) // (width + 1))
    for first in range(0, num_channels, abreast):
        shown = range(first, min(first + abreast, num_channels))
        console.print(Text(" " * label + "".join(f" {f'c{c}':>{width}}" for c in shown)), soft_wrap=True)
        for n, image in enumerate(names):
            line = Text(f"  n{n}".ljust(label))
            for c in shown:
                name, first_set = image[c]
                line.append(" ").append(f"{name:>{width}}", TERMINAL_COLOURS[first_set % len(TERMINAL_COLOURS)])
            console.print(line, soft_wrap=True)


def _cell(channel: list[list[int]]) -> tuple[str, int]:
    """The sets of a channel of an image, as text, and the first of them."""
    numbers = sorted({number for row in channel for number in row})
    return (str(numbers[0]) if len(numbers) == 1 else f"{numbers[0]}-{numbers[-1]}"), numbers[0]


def draw_axes(picture: AxesPicture, path: Path) -> None:
    """A block a norm as a PNG: C to the right, H·W downwards, N into the page.

    Coloured is the set of the first image's last channel, which is the one that three faces of the block show.
    After Wu & He 2018, arXiv:1803.08494, figure 2.
    """
    from matplotlib.figure import Figure  # slow to import

    columns = min(COLUMNS, len(picture.norms))
    rows = math.ceil(len(picture.norms) / columns)
    n, c, h, w = picture.shape
    flatness = (h * w + n * DEPTH[1]) / (c + n * DEPTH[0])
    height = PANEL_INCHES * min(1.5, flatness) + 0.6
    figure = Figure(figsize=(PANEL_INCHES * columns, height * rows + 0.5), layout="constrained")
    figure.suptitle(
        f"In blue: a set of values that share their statistics (N = {n}, C = {c}, H = {h}, W = {w})", fontsize=11
    )
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in panels:
        axes.set_axis_off()
    for axes, norm in zip(panels, picture.norms, strict=False):
        _draw_block(axes, norm)
    save_png(figure, path)


def _draw_block(axes: "Axes", norm: Shares) -> None:
    from matplotlib.collections import PolyCollection

    sets = [[[number for row in channel for number in row] for channel in image] for image in norm.sets]
    shared = sets[0][-1][0]
    corners, colours = [], []
    for face, (n, c, p), corner in _faces(len(sets), len(sets[0]), len(sets[0][0])):
        base = SHARED if sets[n][c][p] == shared else OTHER
        corners.append(corner)
        colours.append(tuple(min(1.0, SHADES[face] * part) for part in base))
    axes.add_collection(PolyCollection(corners, facecolors=colours, edgecolors=EDGE, linewidths=0.5))
    num_images, num_channels, pixels = len(sets), len(sets[0]), len(sets[0][0])
    axes.text(num_channels / 2, -pixels - 0.15, "C", ha="center", va="top", fontsize=9)
    axes.text(-0.2, -pixels / 2, "H, W", ha="right", va="center", fontsize=9, rotation=90)
    axes.text(
        num_images * DEPTH[0] / 2 - 0.2, num_images * DEPTH[1] / 2 + 0.1, "N", ha="right", va="bottom", fontsize=9
    )
    axes.set_title(f"{norm.norm}\n{_described(norm)}", fontsize=9)
    axes.set_aspect("equal")
    axes.autoscale_view()


def _faces(images: int, channels: int, pixels: int) -> Iterator[tuple[str, tuple[int, int, int], list[Point]]]:
    """(face, the value (n, c, pixel) it shows, its four corners) of all that can be seen of the block."""

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


def _described(norm: Shares) -> str:
    return f"over {', '.join(norm.reduced)}: {norm.formula} = {norm.num_sets} sets"
