"""Training curves of many norms, a panel for each."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from normbench.plots.frame import frame, line_key
from normbench.plots.layout import OWN, Layout
from normbench.plots.mean_curves import (
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
from normbench.plots.small_multiples import OTHERS, others_key, panels_of
from normbench.plots.style import Style, tidy
from normbench.plots.words import SPLITS, capitalized, in_percent

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_curves_apart(
    runs: Mapping[str, Sequence[Rows]],
    metric: str,
    split: str,
    about: str,
    styles: Mapping[str, Style],
    layout: Layout = OWN,
) -> "Figure":
    """Draws one metric, `accuracy` or `loss`, in a panel for each norm: in colour, before all others in grey.

    runs: the runs of each norm, by label. Solid: the held-out `split`, "test" or "val", with its band. Dotted: train.
    """
    page = layout.page(10)
    titles = {label: f"{label}, n = {len(of_norm)}" for label, of_norm in runs.items()}
    figure, panels = panels_of(page, titles, "Epoch", capitalized(in_percent(metric)))
    held_out = {label: mean_line(of_norm, f"{split}_{metric}") for label, of_norm in runs.items()}
    train = {label: mean_line(of_norm, f"train_{metric}") for label, of_norm in runs.items()}
    for label, axes in panels.items():
        for line in held_out.values():
            axes.plot(*means(line, metric), **OTHERS)
        colour = styles[label].color
        draw_band(axes, held_out[label], metric, Style(colour, "-", ""))
        axes.plot(*means(train[label], metric), color=colour, linestyle=":", linewidth=0.8 * page.line)
        axes.plot(*means(held_out[label], metric), color=colour, linewidth=page.line)
        epoch_ticks(axes, page)
        tidy(axes, page)
    first = first_epoch(runs)
    fit(next(iter(panels.values())), held_out.values(), metric, first)  # the axes are shared
    name = SPLITS[split]
    legend = [
        line_key(f"{name} {metric} of the norm", Style("0.2", "-", "")),
        line_key("the same in training", Style("0.2", ":", "")),
        others_key(f"{name} {metric} of the other norms"),
        *band_keys(runs),
    ]
    title = f"{capitalized(name)} and training {metric} by norm"
    frame(figure, page, title, about, legend=legend, notes=notes(runs, first))
    return figure
