"""The figures of `normbench explain`: what was explained, as the plain data that `plots` draws."""

from pathlib import Path

from normbench.explain.axes import AxesPicture
from normbench.explain.running import Running, Tracked
from normbench.plots.running_statistics import Curves, draw_running_statistics
from normbench.plots.shared_sets import draw_shared_sets


def draw_axes(picture: AxesPicture, path: Path) -> None:
    """Writes a PNG with one block a norm."""
    draw_shared_sets([(f"{norm.norm}\n{norm.description}", norm.sets) for norm in picture.norms], path)


def draw_running(running: Running, path: Path) -> None:
    """Writes a PNG with the running means and deviations of each tracked layer."""
    title = f"Running statistics over {running.num_batches:,} batches of 2 samples (dotted: drawn from)"
    layers = [_curves(tracked, running.momentum) for tracked in running.tracked]
    draw_running_statistics(layers, running.true_mean, running.true_std, title, path)


def _curves(tracked: Tracked, momentum: float) -> Curves:
    shown = f"{momentum:g}" if tracked.average == "exponential" else "none"
    title = f"{tracked.norm} {tracked.average} (momentum {shown})"
    return Curves(title, tracked.steps, tracked.mean_history, tracked.std_history)
