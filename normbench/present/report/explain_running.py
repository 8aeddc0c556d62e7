"""Running statistics on their way to the truth."""

from pathlib import Path
from typing import TYPE_CHECKING

from normbench.explain.running import Running, Tracked
from normbench.plots.save import save_png

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")  # Okabe & Ito, one a channel


def draw_running(running: Running, path: Path) -> None:
    """A panel for the means and one for the deviations a tracked layer, over the number of batches, as a PNG."""
    from matplotlib.figure import Figure  # slow to import

    rows = len(running.tracked)
    figure = Figure(figsize=(9, 2.6 * rows + 0.6), layout="constrained")
    figure.suptitle(
        f"Running statistics over {running.num_batches:,} batches of 2 samples (dotted: drawn from)", fontsize=11
    )
    panels = figure.subplots(rows, 2, squeeze=False, sharex=True)
    for (mean_axes, std_axes), tracked in zip(panels, running.tracked, strict=True):
        momentum = f"{running.momentum:g}" if tracked.average == "exponential" else "none"
        name = f"{tracked.norm} {tracked.average} (momentum {momentum})"
        _draw(mean_axes, tracked, tracked.mean_history, running.true_mean, f"{name}: mean")
        _draw(std_axes, tracked, tracked.std_history, running.true_std, f"{name}: deviation")
    for axes in panels[-1]:
        axes.set_xlabel("Batches seen")
    lines = panels[0][0].get_legend_handles_labels()
    figure.legend(*lines, loc="outside lower center", ncols=len(COLOURS), frameon=False, fontsize=9)
    save_png(figure, path)


def _draw(
    axes: "Axes", tracked: Tracked, history: tuple[tuple[float, ...], ...], truth: tuple[float, ...], title: str
) -> None:
    for channel, (values, colour) in enumerate(zip(zip(*history, strict=True), COLOURS, strict=True)):
        axes.axhline(truth[channel], color=colour, linestyle=":", linewidth=1)
        axes.plot(tracked.steps, values, color=colour, linewidth=1.5, label=f"channel {channel}")
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.set_title(title, fontsize=9)
    axes.grid(color="0.9", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
