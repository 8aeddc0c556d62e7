"""The figures that are drawn from predictions: confusion matrices, where norms disagree, and mistakes."""

import logging
from collections.abc import Iterator

from normbench.analysis.stats.confusion import confusion_rates
from normbench.plots.confusion import draw_confusion
from normbench.plots.disagreement import NormPredictions, draw_disagreement
from normbench.plots.misclassified import draw_misclassified
from normbench.present.report.figure_inputs import FigureInputs, Named
from normbench.present.report.names import slugs
from normbench.runs.read import read_predictions

log = logging.getLogger(__name__)


def confusion_figures(inputs: FigureInputs) -> Iterator[Named]:
    """A confusion matrix for each norm, with the difference from the baseline's."""
    predictions, baseline, names = inputs.predictions, inputs.comparison.baseline, slugs(inputs.rows)
    labels, of_norms = predictions.labels, predictions.classes
    if labels is None:
        return
    classes_ = inputs.class_names
    rates = {name: confusion_rates(labels, classes, len(classes_)) for name, classes in of_norms.items()}
    for name, classes in of_norms.items():
        other = (rates[baseline], len(of_norms[baseline]), baseline) if baseline in rates and name != baseline else None
        one = rates[name], len(classes), name
        figure = draw_confusion(*one, classes_, inputs.about, other, inputs.layout)
        yield f"confusion-{names[name]}", figure


def disagreement_figures(inputs: FigureInputs) -> Iterator[Named]:
    """For each norm but the baseline, the images on which it and the baseline disagree."""
    predictions, baseline, names = inputs.predictions, inputs.comparison.baseline, slugs(inputs.rows)
    labels, of_norms = predictions.labels, predictions.classes
    if labels is None:
        return
    if baseline not in of_norms or len(of_norms) == 1:
        why = "that takes predictions of two norms" if baseline in of_norms else f"no predictions of {baseline}"
        log.info(f"disagreement not drawn: {why}")
        return
    images = inputs.images
    if isinstance(images, str):
        log.info(f"disagreement not drawn: {images}")
        return
    found = {name: NormPredictions(name, classes, predictions.truth[name]) for name, classes in of_norms.items()}
    of_all = inputs.class_names, inputs.about, inputs.layout
    for name, norm in found.items():
        if name != baseline:
            figure = draw_disagreement(images, labels, found[baseline], norm, *of_all)
            yield f"disagreement-{names[baseline]}-{names[name]}", figure


def misclassified_figures(inputs: FigureInputs) -> Iterator[Named]:
    """For each norm, images that its first run with predictions classifies wrongly; drawn by the run's seed."""
    labels = inputs.predictions.labels
    if labels is None:
        return
    images = inputs.images
    if isinstance(images, str):
        log.info(f"misclassified images not drawn: {images}")
        return
    names = slugs(inputs.rows)
    for name, run in inputs.predictions.first.items():
        _, logits = read_predictions(run.folder, run.record)  # a comparison does not keep the logits
        seed = run.record.seed
        title = f"{name}, seed {seed}, {inputs.comparison.data}"
        figure = draw_misclassified(images, labels, logits, inputs.class_names, title, seed=seed, layout=inputs.layout)
        yield f"misclassified-{names[name]}", figure
