"""A matplotlib figure as a file: PNG for a screen, SVG for a paper. A file is written whole or not at all."""

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from normbench.files import write_bytes_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 150
# Text stays text, so that it can be searched and edited. A fixed salt gives the same figure the same bytes.
_SVG: Any = {"svg.fonttype": "none", "svg.hashsalt": "normbench"}


def save_png(figure: "Figure", path: Path) -> None:
    """Writes the figure as a PNG. A Figure made without pyplot draws with Agg: no display is needed."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI)
    write_bytes_atomically(path, buffer.getvalue())


def save_figure(figure: "Figure", stem: Path) -> list[Path]:
    """Writes `<stem>.png` and `<stem>.svg`; returns both paths. Equal figures give equal bytes of SVG."""
    import matplotlib

    png, svg = (stem.with_name(f"{stem.name}.{ending}") for ending in ("png", "svg"))  # a stem may hold dots
    save_png(figure, png)
    buffer = io.BytesIO()
    with matplotlib.rc_context(_SVG):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    write_bytes_atomically(svg, buffer.getvalue())
    return [png, svg]


def literal(text: str) -> str:
    """`text` with `$` escaped: matplotlib typesets what stands between two of them as a formula."""
    return text.replace("$", r"\$")
