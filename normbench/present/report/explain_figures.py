"""The figures of `normbench explain`: what was explained, as the plain data that `plots` draws."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from normbench.explain.axes import AxesPicture
from normbench.explain.running import Running, Tracked
from normbench.plots.layout import Layout
from normbench.plots.running_statistics import Curves, draw_running_statistics
from normbench.plots.shared_sets import draw_shared_sets

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_axes(picture: AxesPicture, layout: Layout) -> "Figure":
    """A block for each way of sharing, with the norms that share so."""
    blocks = [
        (", ".join(norm.norm for norm in alike), alike[0].description, alike[0].sets) for alike in picture.distinct
    ]
    return draw_shared_sets(blocks, layout)


def draw_running(running: Running, layout: Layout) -> "Figure":
    """The running means and deviations, exponential and cumulative; norms whose statistics are equal are one curve."""
    averages: dict[str, list[Curves]] = {}
    for alike in _distinct(running.tracked):
        one = alike[0]
        name = f"{one.average} average" + (f", momentum {running.momentum:g}" if one.average == "exponential" else "")
        norms = [tracked.norm for tracked in alike]
        curves = Curves(norms, one.steps, one.mean_history, one.std_history, one.mean_limit, one.std_limit)
        averages.setdefault(name, []).append(curves)
    title = f"Running statistics over {running.num_batches:,} batches of {running.shape[0]} samples"
    return draw_running_statistics(averages, title, layout)


def _distinct(tracked: Sequence[Tracked]) -> list[list[Tracked]]:
    """The layers whose statistics are equal all the way, together, in the order of their first."""
    alike: dict[object, list[Tracked]] = {}
    for layer in tracked:
        alike.setdefault((layer.average, layer.mean_history, layer.std_history), []).append(layer)
    return list(alike.values())
