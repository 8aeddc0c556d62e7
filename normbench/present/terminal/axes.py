"""Which values share their statistics, as a grid of numbers for each norm."""

from rich.console import Console
from rich.text import Text

from normbench.explain.axes import AxesPicture, Shares

COLOURS = ("cyan", "yellow", "green", "magenta", "blue", "red")


def print_axes(picture: AxesPicture, console: Console) -> None:
    """Prints a grid of N rows and C columns for each way of sharing; cells with one number share their statistics."""
    for alike in picture.distinct:
        console.print(Text(f"{', '.join(norm.norm for norm in alike)}: {alike[0].description}", style="bold"))
        _print_grid(alike[0], console)
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
                line.append(" ").append(f"{name:>{width}}", COLOURS[first_set % len(COLOURS)])
            console.print(line, soft_wrap=True)


def _cell(channel: list[list[int]]) -> tuple[str, int]:
    """The range of set numbers in one channel of one image as text, and the first of them."""
    numbers = sorted({number for row in channel for number in row})
    return (str(numbers[0]) if len(numbers) == 1 else f"{numbers[0]}-{numbers[-1]}"), numbers[0]
