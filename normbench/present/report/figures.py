"""All figures of a comparison into one folder; a figure that cannot be drawn is named, with the reason."""

import logging
from collections.abc import Callable
from pathlib import Path

from normbench.analysis.compare.compare import Comparison
from normbench.analysis.compare.comparisons import Need
from normbench.analysis.compare.curves import curves_of
from normbench.errors import ConfigError
from normbench.plots.norm_curves import draw_norm_curves
from normbench.plots.norm_seeds import draw_norm_seeds
from normbench.plots.style import norm_styles
from normbench.plots.sweep import draw_sweep
from normbench.present.report.figure_inputs import FigureInputs, few
from normbench.present.report.names import log_written, slug
from normbench.present.report.prediction_figures import confusion_figures, disagreement_figures
from normbench.text import printable

log = logging.getLogger(__name__)

Draw = Callable[[FigureInputs], list[Path]]
"""Writes figures of one kind as PNG and SVG; returns the paths."""


def draw_comparison(comparison: Comparison, folder: Path) -> list[Path]:
    """Draws FIGURES, or along a key FIGURES_ALONG_A_KEY, into `folder`; logs each file and what is missing.

    Raises ConfigError if the folder cannot be written.
    """
    figures = FIGURES if comparison.key is None else FIGURES_ALONG_A_KEY
    inputs = FigureInputs(comparison, folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return [path for draw in figures.values() for path in draw(inputs)]
    except OSError as error:
        raise ConfigError(f"--figures {printable(folder)}: cannot be written ({error.strerror})") from error


def figure_needs(by: str | None) -> set[Need]:
    """What `comparisons` must read for the figures of a comparison along the key `by`, or along none."""
    return {"predictions"} if by is None else set()


def _seeds(inputs: FigureInputs) -> list[Path]:
    comparison, rows = inputs.comparison, inputs.rows
    key = f"{comparison.split}_accuracy"
    accuracies = {label: dict(zip(row.seeds, row.values.get(key, ()), strict=True)) for label, row in rows.items()}
    diverged = {label: len(row.diverged_seeds) for label, row in rows.items()}
    stem = inputs.folder / "seeds"
    paths = draw_norm_seeds(accuracies, diverged, comparison.split, inputs.about, inputs.styles, stem)
    return log_written(paths)


def _curves(inputs: FigureInputs) -> list[Path]:
    split, found, missing = inputs.comparison.split, {}, []
    for label, row in inputs.rows.items():
        curves, reasons = curves_of(row, split)
        missing += reasons
        if curves:
            found[label] = curves
    if missing:
        log.info(f"{'curves leave out' if found else 'curves not drawn'}: {few(missing)}")
    if not found:
        if not missing:
            log.info("curves not drawn: no run finished")
        return []
    return log_written(draw_norm_curves(found, split, inputs.about, inputs.styles, inputs.folder / "curves"))


def _sweep(inputs: FigureInputs) -> list[Path]:
    grid = inputs.comparison.grid
    assert grid is not None
    lines = {
        label: [(value, grid.cells[label, value]) for value in grid.values if (label, value) in grid.cells]
        for label in grid.labels
    }
    styles, stem = norm_styles(grid.labels), inputs.folder / f"sweep-{slug(grid.key)}"
    paths = draw_sweep(lines, grid.diverged, grid.key, inputs.comparison.split, inputs.about, styles, stem)
    return log_written(paths)


FIGURES: dict[str, Draw] = {
    "seeds": _seeds,
    "curves": _curves,
    "confusion": confusion_figures,
    "disagreement": disagreement_figures,
}
"""In the order in which they are drawn. A new figure is a function and a line here."""

FIGURES_ALONG_A_KEY: dict[str, Draw] = {"sweep": _sweep}
