"""Figures into files: PNG for the screen, SVG for a paper, each whole or not at all."""

import io
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from normbench.files import write_bytes_atomically
from normbench.text import printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 150
# Text stays text, so that it can be searched and edited, and the same figure gives the same bytes.
_SVG: Any = {"svg.fonttype": "none", "svg.hashsalt": "normbench"}


def save_png(figure: "Figure", path: Path) -> None:
    """Writes the figure as a PNG. A Figure made without pyplot draws with Agg: no display is needed."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI)
    write_bytes_atomically(path, buffer.getvalue())


def save_figure(figure: "Figure", stem: Path) -> list[Path]:
    """Writes `<stem>.png` and `<stem>.svg`, the latter the same bytes for the same figure; returns their paths."""
    import matplotlib

    png, svg = (stem.with_name(f"{stem.name}.{ending}") for ending in ("png", "svg"))  # a stem may hold dots
    save_png(figure, png)
    buffer = io.BytesIO()
    with matplotlib.rc_context(_SVG):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    write_bytes_atomically(svg, buffer.getvalue())
    return [png, svg]


def plain(text: str) -> str:
    """`text` as it is: matplotlib would read what stands between two dollars as a formula."""
    return text.replace("$", r"\$")


def say_written(paths: list[Path], say: Callable[[str], None]) -> list[Path]:
    """Says what `save_figure` wrote, in one line; returns it."""
    say(f"drawn: {printable(paths[0])} and {paths[-1].suffix}")
    return paths


def slug(text: str) -> str:
    """A part of a file's name: `GN(4)` -> `gn-4`."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "norm"


def slugs(labels: Iterable[str]) -> dict[str, str]:
    """A part of a file's name for each label, no two the same."""
    names = list(labels)
    return dict(zip(names, numbered([slug(name) for name in names], "-"), strict=True))


def numbered(names: Iterable[str], before: str = " ") -> list[str]:
    """The names; one that stands twice gets a number from its second place on."""
    found: list[str] = []
    for name in names:
        number, candidate = 1, name
        while candidate in found:
            number += 1
            candidate = f"{name}{before}{number}"
        found.append(candidate)
    return found
