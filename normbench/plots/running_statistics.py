"""Running statistics over the number of batches, beside the values they tend to."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

from normbench.plots.save import save_png

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")  # Okabe & Ito


@dataclass(frozen=True)
class Curves:
    """The running statistics of one layer after each number of batches in `steps`."""

    title: str
    steps: Sequence[int]
    means: Sequence[Sequence[float]]
    """[steps][C]"""
    stds: Sequence[Sequence[float]]
    """[steps][C]"""


def draw_running_statistics(
    layers: Sequence[Curves], true_mean: Sequence[float], true_std: Sequence[float], title: str, path: Path
) -> None:
    """Draws two panels a layer as a PNG, means left and deviations right. `true_mean`, `true_std` [C] are dotted."""
    from matplotlib.figure import Figure  # slow to import

    figure = Figure(figsize=(9, 2.6 * len(layers) + 0.6), layout="constrained")
    figure.suptitle(title, fontsize=11)
    panels = figure.subplots(len(layers), 2, squeeze=False, sharex=True)
    for (mean_axes, std_axes), layer in zip(panels, layers, strict=True):
        _draw(mean_axes, layer.steps, layer.means, true_mean, f"{layer.title}: mean")
        _draw(std_axes, layer.steps, layer.stds, true_std, f"{layer.title}: deviation")
    for axes in panels[-1]:
        axes.set_xlabel("Batches seen")
    lines = panels[0][0].get_legend_handles_labels()
    figure.legend(*lines, loc="outside lower center", ncols=len(true_mean), frameon=False, fontsize=9)
    save_png(figure, path)


def _draw(
    axes: "Axes", steps: Sequence[int], history: Sequence[Sequence[float]], truth: Sequence[float], title: str
) -> None:
    for channel, (values, colour) in enumerate(zip(zip(*history, strict=True), cycle(COLOURS))):
        axes.axhline(truth[channel], color=colour, linestyle=":", linewidth=1)
        axes.plot(steps, values, color=colour, linewidth=1.5, label=f"channel {channel}")
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.set_title(title, fontsize=9)
    axes.grid(color="0.9", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
