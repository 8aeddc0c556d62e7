"""The accuracy of every run as a dot, with each norm's mean and interval."""

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from normbench.analysis.stats.estimate import Estimate, mean_interval
from normbench.plots.save import literal, save_figure
from normbench.plots.style import TEXT_POINTS, Style, caption, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROW_INCHES = 0.44
MOST_JOINED = 6  # norms; the lines between more norms hide the dots
BELOW = 0.26  # distance of the mean below the dots, in rows


def draw_norm_seeds(
    accuracies: Mapping[str, Mapping[int, float]],
    diverged: Mapping[str, int],
    split: str,
    about: str,
    styles: Mapping[str, Style],
    stem: Path,
) -> list[Path]:
    """Draws each norm's accuracies as a row of dots, with the mean and its 95 % t interval below them.

    accuracies: norm's label -> seed -> fraction. diverged: how many runs of the norm have no accuracy.

    Thin lines join the runs of one seed where neighbouring norms share at least two seeds.
    Returns the paths written: `<stem>.png`, `<stem>.svg`.
    """
    from matplotlib.figure import Figure  # slow to import

    figure = Figure(figsize=(9, ROW_INCHES * len(accuracies) + 1.9), layout="constrained")
    axes = figure.subplots()
    estimates = {label: mean_interval(list(values.values())) for label, values in accuracies.items()}
    joined = len(accuracies) <= MOST_JOINED and _join(axes, accuracies)
    for row, (label, values) in enumerate(accuracies.items()):
        _draw_row(axes, row, [100 * value for value in values.values()], estimates[label], styles[label])
        axes.text(
            *(1.02, row, _described(estimates[label], diverged.get(label, 0))),
            transform=axes.get_yaxis_transform(),
            fontsize=TEXT_POINTS,
            va="center",
        )
    axes.set_yticks(range(len(accuracies)), [literal(label) for label in accuracies])
    axes.set_ylim(len(accuracies) - 0.4, -0.6)  # the first norm on top
    axes.set_xlabel(f"{split.capitalize()} accuracy (%)")
    tidy(axes, grid="x")
    if not any(accuracies.values()):
        axes.set_xticks([])
    caption(figure, f"{split.capitalize()} accuracy of each seed", about, _notes(estimates, joined))
    return save_figure(figure, stem)


def _draw_row(axes: "Axes", row: int, values: list[float], estimate: Estimate, style: Style) -> None:
    axes.plot(
        *(values, [row] * len(values)),
        color=style.color,
        linestyle="none",
        marker=style.marker,
        markersize=7 if style.marker not in "*PX" else 9,
        markeredgecolor="white",
        markeredgewidth=0.6,
        alpha=0.85,
    )
    if estimate.mean is None or estimate.low is None or estimate.high is None:
        return
    mean = 100 * estimate.mean
    axes.errorbar(
        *(mean, row + BELOW),
        xerr=[[mean - 100 * estimate.low], [100 * estimate.high - mean]],
        color=style.color,
        marker="|",
        markersize=9,
        markeredgewidth=2,
        linewidth=1.5,
        capsize=3,
    )


def _join(axes: "Axes", accuracies: Mapping[str, Mapping[int, float]]) -> bool:
    """Joins the runs of one seed between neighbouring rows; returns whether any were joined."""
    joined = False
    for row, (upper, lower) in enumerate(pairwise(accuracies.values())):
        shared = [seed for seed in upper if seed in lower]
        if len(shared) < 2:
            continue
        joined = True
        for seed in shared:
            axes.plot(*([100 * upper[seed], 100 * lower[seed]], [row, row + 1]), color="0.8", linewidth=0.7, zorder=0.5)
    return joined


def _described(estimate: Estimate, diverged: int) -> str:
    lost = f", {diverged} diverged" if diverged else ""
    if estimate.mean is None:
        return f"no finished run{lost}"
    interval = ""
    if estimate.low is not None and estimate.high is not None:
        interval = f" [{100 * estimate.low:.2f}, {100 * estimate.high:.2f}]"
    return f"{100 * estimate.mean:.2f}{interval}, n = {estimate.n}{lost}"


def _notes(estimates: Mapping[str, Estimate], joined: bool) -> list[str]:
    notes = ["Dot: one run."]
    if any(estimate.n > 1 for estimate in estimates.values()):
        notes.append("Bar: mean and 95 % t interval of the mean over n seeds.")
    if any(estimate.n == 1 for estimate in estimates.values()):
        notes.append("n = 1: no interval; one run against one run says nothing about small differences.")
    if joined:
        notes.append("Thin lines join runs of the same seed: same initial weights of the convs, same order of images.")
    return [" ".join(notes)]
