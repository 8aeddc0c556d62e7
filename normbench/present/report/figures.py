"""All figures of a comparison into one folder; what cannot be drawn is named, with the reason."""

from pathlib import Path
from typing import Any

from normbench.analysis.compare.compare import Comparison
from normbench.analysis.compare.rows import NormRow
from normbench.analysis.compare.select import flatten
from normbench.errors import ConfigError
from normbench.plots.norm_curves import draw_norm_curves
from normbench.plots.norm_seeds import draw_norm_seeds
from normbench.plots.style import Style, norm_styles
from normbench.plots.sweep import draw_sweep
from normbench.present.report.figure_inputs import Say, epochs_of, few
from normbench.present.report.names import numbered, say_written, slug
from normbench.present.report.prediction_figures import draw_predictions
from normbench.text import printable

IN_CAPTION = {
    "train.epochs": "{} epochs",
    "train.batch_size": "batch size {}",
    "train.optimizer.name": "{}",
    "train.optimizer.lr": "lr {}",
}


def draw_comparison(comparison: Comparison, folder: Path, say: Say) -> list[Path]:
    """Draws what the runs allow as PNG and SVG into `folder`, says each file and what is missing; returns the paths.

    Along a key (`comparison.grid`) that is the sweep figure, otherwise curves, seeds, confusion matrices, and the
    images on which a norm and the baseline disagree.
    Raises ConfigError if the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if comparison.grid is not None:
            return _sweep(comparison, folder, say)
        rows = dict(zip(numbered([row.label for row in comparison.rows]), comparison.rows, strict=True))
        styles = norm_styles(list(rows))
        written = _seeds(comparison, rows, styles, folder, say) + _curves(comparison, rows, styles, folder, say)
        return written + draw_predictions(comparison, rows, _about(comparison), folder, say)
    except OSError as error:
        raise ConfigError(f"--figures {printable(folder)}: cannot be written ({error.strerror})") from error


def _about(comparison: Comparison) -> str:
    """The data and the recipe in a line; what changes along a key, as the learning rate may, by its range."""
    experiments = comparison.experiments
    parts = [f"{comparison.source} data", f"{comparison.num_eval:,} {comparison.split} images"]
    parts.append(f"experiment {experiments[0]}" if len(experiments) == 1 else f"{len(experiments)} experiments")
    flat = [flatten(record["config"]) for row in comparison.rows for record in row.all_records]
    for key, text in IN_CAPTION.items():
        if key != (comparison.grid.key if comparison.grid else None):
            parts += _ranged([config[key] for config in flat if key in config], text)
    return ", ".join(parts)


def _ranged(values: list[Any], text: str) -> list[str]:
    found = list(dict.fromkeys(values))
    if len(found) > 1 and all(isinstance(value, int | float) for value in found):
        return [text.format(f"{min(found):g} to {max(found):g}")]
    return [text.format(" or ".join(map(str, found)))] if found else []


def _seeds(
    comparison: Comparison, rows: dict[str, NormRow], styles: dict[str, Style], folder: Path, say: Say
) -> list[Path]:
    name = f"{comparison.split}_accuracy"
    accuracies = {label: dict(zip(row.seeds, row.values.get(name, ()), strict=True)) for label, row in rows.items()}
    diverged = {label: len(row.diverged_seeds) for label, row in rows.items()}
    split, stem = comparison.split, folder / "seeds"
    return say_written(draw_norm_seeds(accuracies, diverged, split, _about(comparison), styles, stem), say)


def _curves(
    comparison: Comparison, rows: dict[str, NormRow], styles: dict[str, Style], folder: Path, say: Say
) -> list[Path]:
    found, missing = {}, []
    for label, row in rows.items():
        curves, reasons = epochs_of(row, comparison.split)
        missing += reasons
        if curves:
            found[label] = curves
    if missing:
        say(f"{'curves leave out' if found else 'curves not drawn'}: {few(missing)}")
    if not found:
        if not missing:
            say("curves not drawn: no run finished")
        return []
    split, stem = comparison.split, folder / "curves"
    return say_written(draw_norm_curves(found, split, _about(comparison), styles, stem), say)


def _sweep(comparison: Comparison, folder: Path, say: Say) -> list[Path]:
    grid = comparison.grid
    assert grid is not None
    lines = {
        label: [(value, grid.cells[label, value]) for value in grid.values if (label, value) in grid.cells]
        for label in grid.labels
    }
    styles, stem = norm_styles(grid.labels), folder / f"sweep-{slug(grid.key)}"
    paths = draw_sweep(lines, grid.diverged, grid.key, comparison.split, _about(comparison), styles, stem)
    return say_written(paths, say)
