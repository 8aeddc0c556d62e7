"""What the saved logits of one run say, image by image and over all images."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from normbench.analysis.stats.calibration import class_accuracies, expected_calibration_error, negative_log_likelihood
from normbench.analysis.stats.confusion import truth_probability
from normbench.runs.folder import RunFolder
from normbench.runs.read import RecordError, read_predictions
from normbench.runs.record import Record

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Predictions:
    """Of N images: true `labels` [N], predicted `classes` [N], `truth` [N], the probability of each true class.

    `calibration_error` and `class_accuracies` are fractions, `nll` is in nats; a class without images has None.
    """

    labels: "NDArray[np.int64]"
    classes: "NDArray[np.int64]"
    truth: "NDArray[np.float64]"
    calibration_error: float
    nll: float
    class_accuracies: list[float | None]


def load_predictions(folder: RunFolder, record: Record) -> Predictions | RecordError:
    """The predictions of a finished run, or why they cannot be read. The logits are not kept."""
    try:
        labels, logits = read_predictions(folder, record)
    except RecordError as error:
        return error
    return Predictions(
        labels=labels,
        classes=logits.argmax(axis=1),
        truth=truth_probability(logits, labels),
        calibration_error=expected_calibration_error(labels, logits),
        nll=negative_log_likelihood(labels, logits),
        class_accuracies=class_accuracies(labels, logits),
    )
