"""The figures that are drawn from predictions: confusion matrices, and where norms disagree."""

import logging
from pathlib import Path

from normbench.analysis.stats.confusion import confusion_rates
from normbench.plots.confusion import draw_confusion
from normbench.plots.disagreement import NormPredictions, draw_disagreement
from normbench.present.report.figure_inputs import FigureInputs
from normbench.present.report.names import log_written, slugs

log = logging.getLogger(__name__)


def confusion_figures(inputs: FigureInputs) -> list[Path]:
    """A confusion matrix a norm, with the difference from the baseline's."""
    predictions, baseline, names = inputs.predictions, inputs.comparison.baseline, slugs(inputs.rows)
    labels, of_norms = predictions.labels, predictions.classes
    if labels is None:
        return []
    rates = {name: confusion_rates(labels, classes, len(inputs.class_names)) for name, classes in of_norms.items()}
    written = []
    for name, classes in of_norms.items():
        other = (rates[baseline], len(of_norms[baseline]), baseline) if baseline in rates and name != baseline else None
        stem = inputs.folder / f"confusion-{names[name]}"
        paths = draw_confusion(rates[name], len(classes), name, inputs.class_names, inputs.about, stem, other)
        written += log_written(paths)
    return written


def disagreement_figures(inputs: FigureInputs) -> list[Path]:
    """For each norm but the baseline, the images on which it and the baseline disagree."""
    predictions, baseline, names = inputs.predictions, inputs.comparison.baseline, slugs(inputs.rows)
    labels, of_norms = predictions.labels, predictions.classes
    if labels is None:
        return []
    if baseline not in of_norms or len(of_norms) == 1:
        why = "that takes predictions of two norms" if baseline in of_norms else f"no predictions of {baseline}"
        log.info(f"disagreement not drawn: {why}")
        return []
    images = inputs.images(labels)
    if isinstance(images, str):
        log.info(f"disagreement not drawn: {images}")
        return []
    found = {name: NormPredictions(name, classes, predictions.truth[name]) for name, classes in of_norms.items()}
    written = []
    for name, norm in found.items():
        if name != baseline:
            stem = inputs.folder / f"disagreement-{names[baseline]}-{names[name]}"
            paths = draw_disagreement(images, labels, found[baseline], norm, inputs.class_names, inputs.about, stem)
            written += log_written(paths)
    return written
