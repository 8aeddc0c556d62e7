"""The figures that need every run's predictions: confusion matrices, and where norms disagree."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from normbench.analysis.compare.compare import Comparison
from normbench.analysis.compare.rows import NormRow
from normbench.analysis.stats.confusion import confusion_rates
from normbench.plots.confusion import draw_confusion
from normbench.plots.disagreement import NormPredictions, draw_disagreement
from normbench.present.report.figure_inputs import Say, class_names, few, images_of, predictions_of
from normbench.present.report.names import say_written, slugs

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def draw_predictions(
    comparison: Comparison, rows: Mapping[str, NormRow], about: str, folder: Path, say: Say
) -> list[Path]:
    """A confusion matrix a norm, and for each norm but the baseline the images on which the two disagree."""
    found: dict[str, NormPredictions] = {}
    labels, missing = None, []
    for label, row in rows.items():
        predicted, labels, reasons = predictions_of(label, row, labels)
        missing += reasons
        if predicted is not None:
            found[label] = predicted
    if labels is None:
        say(f"confusion and disagreement not drawn: {few(missing) or 'no run finished'}")
        return []
    if missing:
        say(f"confusion and disagreement leave out: {few(missing)}")
    classes = int(max(labels.max(), *(norm.classes.max() for norm in found.values()))) + 1
    names = class_names(comparison, classes)
    in_files, baseline = slugs(rows), comparison.baseline
    written = _confusion(found, labels, baseline, names, about, folder, in_files, say)
    if baseline not in found or len(found) == 1:
        why = "that takes predictions of two norms" if baseline in found else f"no predictions of {baseline}"
        say(f"disagreement not drawn: {why}")
        return written
    images = images_of(comparison, labels, say)
    if isinstance(images, str):
        say(f"disagreement not drawn: {images}")
        return written
    for label, norm in found.items():
        if label != baseline:
            stem = folder / f"disagreement-{in_files[baseline]}-{in_files[label]}"
            written += say_written(draw_disagreement(images, labels, found[baseline], norm, names, about, stem), say)
    return written


def _confusion(
    found: Mapping[str, NormPredictions],
    labels: "NDArray[np.int64]",
    baseline: str,
    names: list[str],
    about: str,
    folder: Path,
    in_files: Mapping[str, str],
    say: Say,
) -> list[Path]:
    written = []
    rates = {label: confusion_rates(labels, norm.classes, len(names)) for label, norm in found.items()}
    for label, norm in found.items():
        other = (rates[baseline], found[baseline].n, baseline) if baseline in found and label != baseline else None
        stem = folder / f"confusion-{in_files[label]}"
        written += say_written(draw_confusion(rates[label], norm.n, label, names, about, stem, other), say)
    return written
