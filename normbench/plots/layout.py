"""How large a figure is and what stands around its panels: the options that all figures share."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from normbench.errors import ConfigError

FORMATS = ("png", "svg", "pdf")
NARROWEST, WIDEST = 2.5, 30.0  # inches
NARROW = 5.0  # inches: a figure that is less wide stacks its panels
SMALLEST_TYPE = 6.0  # points: what journals ask for at least
EM = 0.58  # mean width of a character of DejaVu Sans, in its size

_SIZES = ((NARROW, 7.0, SMALLEST_TYPE, 1.0), (7.0, 8.0, 7.0, 1.3), (math.inf, 10.0, 8.5, 1.6))
"""(below this width in inches, points of labels, of the small print, of lines)."""


@dataclass(frozen=True)
class Page:
    """The room of one figure: its width in inches, and sizes in points: of labels, of the small print, of lines."""

    width: float
    title: bool
    text: float
    small: float
    line: float

    @property
    def marker(self) -> float:
        """The size of a marker on a line."""
        return 2.8 * self.line

    @property
    def is_narrow(self) -> bool:
        return self.width < NARROW

    def columns_of(self, inches: float, most: int) -> int:
        """How many panels that are at least so wide stand beside each other, at most `most`."""
        return max(1, min(most, int(self.width / inches)))


@dataclass(frozen=True)
class Layout:
    """What a user says about figures. width: in inches, None for each figure's own.

    title: whether the title above a figure and the notes below it are drawn; a paper has its own caption. Legends,
    with n and what the bars mean, are always drawn.
    """

    width: float | None = None
    title: bool = True

    def page(self, own_width: float) -> Page:
        """The page of a figure that is `own_width` inches wide unless the user says otherwise."""
        width = own_width if self.width is None else self.width
        sizes = next(sizes for below, *sizes in _SIZES if width < below)
        return Page(width, self.title, *sizes)


OWN = Layout()
"""Every figure at its own width, with its title."""


@dataclass(frozen=True)
class FigureRequest:
    """The folder that figures are written to, in which formats, and their layout."""

    folder: Path
    formats: Sequence[str] = ("png", "svg")
    layout: Layout = OWN


def checked_width(width: float | None, option: str) -> float | None:
    """`width`, the value of `option`. Raises ConfigError if no figure can be so wide."""
    if width is not None and not NARROWEST <= width <= WIDEST:
        raise ConfigError(f"{option} {width:g}: give inches from {NARROWEST:g} to {WIDEST:g}, e.g. 3.3 for a column")
    return width


def characters(inches: float, points: float) -> int:
    """How many characters of that size fit a line."""
    return max(1, int(inches * 72 / (EM * points)))
