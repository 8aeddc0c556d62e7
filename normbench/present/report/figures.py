"""All figures of a comparison into one folder; a figure that cannot be drawn is named, with the reason."""

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from normbench.analysis.compare.compare import Comparison
from normbench.analysis.compare.comparisons import Comparisons, Need
from normbench.analysis.compare.curves import curves_of
from normbench.errors import ConfigError
from normbench.plots.curves_apart import draw_curves_apart
from normbench.plots.layout import FigureRequest
from normbench.plots.norm_curves import draw_norm_curves
from normbench.plots.norm_seeds import draw_norm_seeds
from normbench.plots.save import save_figure
from normbench.plots.small_multiples import MANY
from normbench.plots.style import norm_styles
from normbench.plots.sweep import draw_sweep
from normbench.present.report.figure_inputs import FigureInputs, Named, few
from normbench.present.report.names import numbered, slug
from normbench.present.report.prediction_figures import confusion_figures, disagreement_figures
from normbench.text import printable

log = logging.getLogger(__name__)

Draw = Callable[[FigureInputs], Iterable[Named]]
"""Draws the figures of one kind, each with its name; logs why where there is none."""


def draw_comparisons(found: Comparisons, request: FigureRequest) -> None:
    """`draw_comparison` for each set that is shown, in a folder of its own where there are several."""
    names = numbered([slug(" ".join(row.experiments)) for row in found.overview[: len(found.shown)]], "-")
    for comparison, name in zip(found.shown, names, strict=True):
        folder = request.folder / name if len(found.shown) > 1 else request.folder
        draw_comparison(comparison, replace(request, folder=folder))


def draw_comparison(comparison: Comparison, request: FigureRequest) -> list[Path]:
    """Draws FIGURES, or along a key FIGURES_ALONG_A_KEY, as requested; logs each file and what is missing.

    Returns the files in the order in which they were written. Raises ConfigError if the folder cannot be written.
    """
    figures = FIGURES if comparison.key is None else FIGURES_ALONG_A_KEY
    inputs = FigureInputs(comparison, request.layout)
    try:
        request.folder.mkdir(parents=True, exist_ok=True)
        return [path for draw in figures.values() for named in draw(inputs) for path in _save(named, request)]
    except OSError as error:
        raise ConfigError(f"--figures {printable(request.folder)}: cannot be written ({error.strerror})") from error


def figure_needs(by: str | None) -> set[Need]:
    """What `comparisons` must read for the figures of a comparison along the key `by`, or along none."""
    return {"predictions"} if by is None else set()


def _save(named: Named, request: FigureRequest) -> list[Path]:
    name, figure = named
    paths = [request.folder / f"{name}.{format_}" for format_ in request.formats]
    for path in paths:
        save_figure(figure, path)
    log.info(f"drawn: {' and '.join([str(printable(paths[0])), *(path.suffix for path in paths[1:])])}")
    return paths


def _seeds(inputs: FigureInputs) -> Iterator[Named]:
    comparison, rows = inputs.comparison, inputs.rows
    key = f"{comparison.split}_accuracy"
    accuracies = {label: dict(zip(row.seeds, row.values.get(key, ()), strict=True)) for label, row in rows.items()}
    diverged = {label: len(row.diverged_seeds) for label, row in rows.items()}
    of_all = inputs.about, inputs.styles, inputs.layout
    yield "seeds", draw_norm_seeds(accuracies, diverged, comparison.split, *of_all)


def _curves(inputs: FigureInputs) -> Iterator[Named]:
    split, found, missing = inputs.comparison.split, {}, []
    for label, row in inputs.rows.items():
        curves, reasons = curves_of(row, split)
        missing += reasons
        if curves:
            found[label] = curves
    if missing:
        log.info(f"{'curves leave out' if found else 'curves not drawn'}: {few(missing)}")
    elif not found:
        log.info("curves not drawn: no run finished")
    of_all = inputs.about, inputs.styles, inputs.layout
    if len(found) > MANY:
        for metric in ("accuracy", "loss"):
            yield f"curves-{metric}", draw_curves_apart(found, metric, split, *of_all)
    elif found:
        yield "curves", draw_norm_curves(found, split, *of_all)


def _sweep(inputs: FigureInputs) -> Iterator[Named]:
    grid = inputs.comparison.grid
    assert grid is not None
    lines = {
        label: [(value, grid.cells[label, value]) for value in grid.values if (label, value) in grid.cells]
        for label in grid.labels
    }
    of_all = inputs.about, norm_styles(grid.labels), inputs.layout
    yield f"sweep-{slug(grid.key)}", draw_sweep(lines, grid.diverged, grid.key, inputs.comparison.split, *of_all)


FIGURES: dict[str, Draw] = {
    "seeds": _seeds,
    "curves": _curves,
    "confusion": confusion_figures,
    "disagreement": disagreement_figures,
}
"""In the order in which they are drawn. A new figure is a function and a line here."""

FIGURES_ALONG_A_KEY: dict[str, Draw] = {"sweep": _sweep}
