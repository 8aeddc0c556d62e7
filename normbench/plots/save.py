"""A matplotlib figure as a file, whose name ends in its format. A file is written whole or not at all."""

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from normbench.errors import ConfigError
from normbench.files import write_bytes_atomically
from normbench.plots.layout import FORMATS, NARROW
from normbench.plots.settings import load_matplotlib
from normbench.text import printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SCREEN_DPI, PRINT_DPI = 150, 300
# Text stays text, so that it can be searched and edited: SVG names its font, PDF embeds it as TrueType (type 42).
_TEXT: Any = {"svg.fonttype": "none", "pdf.fonttype": 42, "svg.hashsalt": "normbench"}
# Without dates and with a fixed salt, equal figures give equal bytes.
_DATES: dict[str, Any] = {"png": {}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}


def save_figure(figure: "Figure", path: Path) -> None:
    """Writes the figure as PNG, SVG or PDF, by the suffix of `path`. Equal figures give equal bytes.

    A Figure made without pyplot needs no display. Raises ConfigError for another suffix.
    """
    buffer = io.BytesIO()
    write_figure(figure, buffer, picture_format(path))
    write_bytes_atomically(path, buffer.getvalue())


def write_figure(figure: "Figure", file: BinaryIO, format_: str) -> None:
    """Writes the figure in one of FORMATS into an open file."""
    load_matplotlib()
    import matplotlib

    dpi = PRINT_DPI if figure.get_figwidth() < NARROW else SCREEN_DPI
    with matplotlib.rc_context(_TEXT):
        figure.savefig(file, format=format_, dpi=dpi, metadata=_DATES[format_])


def picture_format(path: Path) -> str:
    """`png`, `svg` or `pdf`. Raises ConfigError for a file name that ends otherwise."""
    format_ = path.suffix.lower().removeprefix(".")
    if format_ not in FORMATS:
        raise ConfigError(
            f"{printable(path)}: the name of a picture ends in .{', .'.join(FORMATS[:-1])} or .{FORMATS[-1]}"
        )
    return format_


def literal(text: str) -> str:
    """`text` with `$` escaped: matplotlib typesets what stands between two of them as a formula."""
    return text.replace("$", r"\$")
