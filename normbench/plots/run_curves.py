"""Training curves of one run."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from normbench.plots.frame import frame, line_key
from normbench.plots.layout import OWN, Layout
from normbench.plots.mean_curves import UNITS, epoch_ticks
from normbench.plots.style import COLOURS, Style, new_figure, tidy
from normbench.plots.words import SPLITS, capitalized, in_percent

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HELD_OUT_STYLE = Style(COLOURS[0], "-", "s")
TRAIN_STYLE = Style(COLOURS[1], "--", "o")


def draw_run_curves(rows: Sequence[Mapping[str, float]], title: str, layout: Layout = OWN) -> "Figure":
    """Draws accuracy in % and loss over the epochs, of the held-out split and of train.

    rows: those of `metrics.csv`, one for each epoch. Beside train_* they have val_* or test_* columns; of both, test is
    drawn.
    """
    page = layout.page(9)
    split = "val" if rows and "test_loss" not in rows[0] else "test"
    styles = {split: HELD_OUT_STYLE, "train": TRAIN_STYLE}
    figure = new_figure(page, 3.4 if page.is_narrow else 0.38 * page.width)
    panels = figure.subplots(*((2, 1) if page.is_narrow else (1, 2)), sharex=True)
    for axes, (metric, (factor, _)) in zip(panels, UNITS.items(), strict=True):
        for name, style in styles.items():
            epochs, values = [row["epoch"] for row in rows], [factor * row[f"{name}_{metric}"] for row in rows]
            axes.plot(
                *(epochs, values),
                color=style.color,
                linestyle=style.line,
                marker=style.marker,
                markerfacecolor=_face(name, style),
                markersize=page.marker,
                linewidth=page.line,
            )
        axes.set_ylabel(capitalized(in_percent(metric)))
        epoch_ticks(axes, page)
        tidy(axes, page)
    for axes in panels if not page.is_narrow else panels[-1:]:
        axes.set_xlabel("Epoch")
    legend = [line_key(SPLITS[name], style, markerfacecolor=_face(name, style)) for name, style in styles.items()]
    frame(figure, page, title, "", legend=legend)
    return figure


def _face(split: str, style: Style) -> str:
    return "white" if split == "train" else style.color
