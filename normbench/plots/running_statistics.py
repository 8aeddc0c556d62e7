"""Running statistics over the number of batches, beside the values they tend to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from normbench.plots.frame import frame, line_key
from normbench.plots.layout import OWN, Layout
from normbench.plots.style import COLOURS, LINES, Style, new_figure, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DOTTED = ":"


@dataclass(frozen=True)
class Curves:
    """The running statistics of C channels after each number of batches in `steps`, and the values they tend to."""

    norms: Sequence[str]
    """The norms whose statistics these are; norms with the same first one have the same line style."""
    steps: Sequence[int]
    means: Sequence[Sequence[float]]
    """[steps][C]"""
    stds: Sequence[Sequence[float]]
    """[steps][C]"""
    mean_limit: Sequence[float]
    """[C]; empty where it is not known."""
    std_limit: Sequence[float]
    """[C]"""


def draw_running_statistics(averages: Mapping[str, Sequence[Curves]], title: str, layout: Layout = OWN) -> "Figure":
    """Draws two panels for each kind of average: running means and running deviations.

    averages: the curves of norms by the name of the average. A channel has a colour, a norm a line style; what a curve
    tends to is dotted.
    """
    page = layout.page(9)
    height = 1.25 * 2 * len(averages) if page.is_narrow else 0.28 * page.width * len(averages)
    figure = new_figure(page, height)
    rows, columns = (2 * len(averages), 1) if page.is_narrow else (len(averages), 2)
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True)
    norms: dict[str, list[str]] = {}
    for curves in (curves for of_average in averages.values() for curves in of_average):
        norms.setdefault(curves.norms[0], []).extend(curves.norms)
    lines = {first: LINES[index % 3] for index, first in enumerate(norms)}  # the fourth is dotted
    for (name, of_average), (mean_axes, std_axes) in zip(averages.items(), panels.reshape(-1, 2), strict=True):
        for curves in of_average:
            look: dict[str, Any] = {"linestyle": lines[curves.norms[0]], "linewidth": page.line}
            _draw(mean_axes, curves.steps, curves.means, curves.mean_limit, **look)
            _draw(std_axes, curves.steps, curves.stds, curves.std_limit, **look)
        for axes, what in ((mean_axes, "Mean"), (std_axes, "Deviation")):
            axes.set_title(name, fontsize=page.small)
            axes.set_ylabel(f"Running {what.lower()}")
            axes.set_xscale("log")
            axes.xaxis.set_major_formatter("{x:,.0f}")
            tidy(axes, page)
    for axes in panels[-1]:
        axes.set_xlabel("Batches seen")
    channels = len(next(iter(averages.values()))[0].means[0])
    legend = [line_key(f"channel {channel}", Style(_colour(channel), "-", "")) for channel in range(channels)]
    legend += [line_key(", ".join(dict.fromkeys(norms[first])), Style("0.25", lines[first], "")) for first in norms]
    legend.append(line_key("what it tends to", Style("0.25", DOTTED, ""), linewidth=1.0))
    frame(figure, page, title, "", legend=legend)
    return figure


def _draw(
    axes: "Axes", steps: Sequence[int], history: Sequence[Sequence[float]], limits: Sequence[float], **look: Any
) -> None:
    for channel, values in enumerate(zip(*history, strict=True)):
        if limits:
            axes.axhline(limits[channel], color=_colour(channel), linestyle=DOTTED, linewidth=1)
        axes.plot(steps, values, color=_colour(channel), **look)


def _colour(channel: int) -> str:
    return COLOURS[channel % len(COLOURS)]
