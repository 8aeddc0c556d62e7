"""The look of the figures: one style for each norm, distinct for colour-blind readers and in grey print."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from normbench.plots.layout import Page
from normbench.plots.settings import load_matplotlib

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# The first three are the high-contrast scheme of P. Tol (2021), Colour schemes: they differ in lightness, so that they
# are told apart in grey print and by colour-blind readers. L*: 29, 50, 72, 58, 73, 36, 46.
COLOURS = ("#004488", "#BB5566", "#DDAA33", "#009E73", "#66BBEE", "#555555", "#AA4499")
LINES: tuple[Any, ...] = ("-", (0, (5, 1.6)), (0, (6, 1.5, 1, 1.5)), (0, (1.2, 1.2)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*")


@dataclass(frozen=True)
class Style:
    """How one norm is drawn. (colour, line) is unique among 28 norms, (colour, line, marker) among 140."""

    color: str
    line: Any
    marker: str


def norm_styles(labels: Sequence[str]) -> dict[str, Style]:
    """A style for each label. It depends on the label's position only."""
    return {
        label: Style(COLOURS[i % len(COLOURS)], LINES[i % len(LINES)], MARKERS[i % len(MARKERS)])
        for i, label in enumerate(labels)
    }


def new_figure(page: Page, height: float) -> "Figure":
    """An empty figure, `height` inches high without what `frame` puts around its panels."""
    load_matplotlib()
    from matplotlib.figure import Figure  # slow to import

    figure = Figure(figsize=(page.width, height), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.04, h_pad=0.04)  # type: ignore[union-attr, call-arg]
    return figure


def tidy(axes: "Axes", page: Page, grid: Literal["both", "x", "y"] = "both") -> None:
    """Sets the type, draws a faint grid behind the data, and no frame on the right and at the top."""
    axes.tick_params(labelsize=page.small)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set_fontsize(page.text)
    axes.grid(axis=grid, color="0.9", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
