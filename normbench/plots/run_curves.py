"""Training curves of one run."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from normbench.plots.save import literal, save_png

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe & Ito's blue and vermilion are told apart by colour-blind readers, the line styles and markers in grey print.
TRAIN_STYLE = {"color": "#0072B2", "linestyle": "--", "marker": "o", "markerfacecolor": "white"}
HELD_OUT_STYLE = {"color": "#D55E00", "linestyle": "-", "marker": "s"}


def draw_run_curves(rows: Sequence[Mapping[str, float]], title: str, path: Path) -> None:
    """Draws loss (left) and accuracy in % (right) over the epochs as a PNG.

    rows: those of `metrics.csv`, one an epoch. Beside train_* they have val_* or test_* columns, which are drawn too.
    """
    from matplotlib.figure import Figure  # slow to import

    split = "val" if rows and "val_loss" in rows[0] else "test"
    figure = Figure(figsize=(9, 3.8), layout="constrained")
    figure.suptitle(literal(title), fontsize=11)
    loss_axes, accuracy_axes = figure.subplots(1, 2)
    _draw(loss_axes, rows, split, "loss", 1, "Loss (mean cross-entropy)")
    _draw(accuracy_axes, rows, split, "accuracy", 100, "Accuracy (%)")
    loss_axes.legend(frameon=False)
    save_png(figure, path)


def _draw(axes: "Axes", rows: Sequence[Mapping[str, float]], split: str, metric: str, scale: float, label: str) -> None:
    from matplotlib.ticker import MaxNLocator

    epochs = [row["epoch"] for row in rows]
    for name, style in (("train", TRAIN_STYLE), (split, HELD_OUT_STYLE)):
        values = [scale * row[f"{name}_{metric}"] for row in rows]
        axes.plot(epochs, values, label=name, linewidth=1.6, markersize=4, **style)  # type: ignore[arg-type]
    axes.set_xlabel("Epoch")
    axes.set_ylabel(label)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
    axes.grid(color="0.9", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
