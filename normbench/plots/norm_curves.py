"""Training curves of several norms in the same panels."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from normbench.plots.frame import frame, line_key
from normbench.plots.layout import OWN, Layout, Page
from normbench.plots.mean_curves import (
    UNITS,
    Rows,
    band_keys,
    draw_band,
    epoch_ticks,
    first_epoch,
    fit,
    mean_line,
    means,
    notes,
)
from normbench.plots.style import Style, new_figure, tidy
from normbench.plots.words import capitalized, metric_in_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARKS = 5  # markers on a line
PANEL_INCHES = 1.25  # height of a panel on a narrow page
FLATNESS = 0.32  # height of a panel, in the width of a wide page


def draw_norm_curves(
    runs: Mapping[str, Sequence[Rows]], split: str, about: str, styles: Mapping[str, Style], layout: Layout = OWN
) -> "Figure":
    """Draws accuracy and loss of the held-out `split` and of train: each norm's mean over its runs, with a band.

    runs: the runs of each norm, by label. split: "test" or "val".

    The band is the 95 % t interval of the mean, or goes from run to run where there are two. A single run is a thin
    line. A narrow page has the four panels below each other.
    """
    page = layout.page(10)
    rows, columns = (4, 1) if page.is_narrow else (2, 2)
    figure = new_figure(page, rows * (PANEL_INCHES if page.is_narrow else FLATNESS * page.width))
    panels = figure.subplots(rows, columns, sharex=True, squeeze=False)
    first = first_epoch(runs)
    for axes, (name, metric) in zip(panels.flat, [(s, m) for s in (split, "train") for m in UNITS], strict=True):
        _draw(axes, runs, name, metric, styles, page)
        fit(axes, [mean_line(of_norm, f"{name}_{metric}") for of_norm in runs.values()], metric, first)
        axes.set_ylabel(capitalized(metric_in_words(name, metric)))
        epoch_ticks(axes, page)
        tidy(axes, page)
    for axes in panels[-1]:
        axes.set_xlabel("Epoch")
    legend = [line_key(f"{label}, n = {len(of_norm)}", styles[label]) for label, of_norm in runs.items() if of_norm]
    frame(
        figure,
        page,
        "Training curves by norm",
        about,
        legend=[*legend, *band_keys(runs)],
        notes=notes(runs, first),
    )
    return figure


def _draw(
    axes: "Axes", runs: Mapping[str, Sequence[Rows]], split: str, metric: str, styles: Mapping[str, Style], page: Page
) -> None:
    lines = {label: mean_line(of_norm, f"{split}_{metric}") for label, of_norm in runs.items()}
    every = max(1, round(max(map(len, lines.values()), default=0) / MARKS))
    for index, (label, line) in enumerate(lines.items()):
        style = styles[label]
        draw_band(axes, line, metric, style)
        axes.plot(
            *means(line, metric),
            color=style.color,
            linestyle=style.line,
            linewidth=page.line if len(runs[label]) > 1 else 0.7 * page.line,
            marker=style.marker,
            markersize=page.marker,
            markevery=(index % every, every),  # shifted, so that markers of norms do not overlap
        )
