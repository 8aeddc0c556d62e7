"""What the saved logits of each run tell beyond accuracy: calibration, and accuracy class by class."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from normbench.analysis.compare.rows import By, NormRow
from normbench.analysis.compare.select import named, runs
from normbench.analysis.stats.estimate import Estimate, mean_interval
from normbench.runs.folder import RecordError, RunFolder
from normbench.runs.read import read_predictions
from normbench.text import printable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Labels = NDArray[np.int64]
    Logits = NDArray[np.float64]

NUM_BINS = 15


@dataclass(frozen=True)
class Predicted:
    """One norm's runs whose predictions could be read. Errors and accuracies are fractions, nll is in nats.

    `per_class[i]` is the accuracy on the images of `classes[i]`; None where no image has that class.
    """

    label: str
    by: By
    n: int
    calibration_error: Estimate
    nll: Estimate
    classes: tuple[str, ...]
    per_class: tuple[Estimate | None, ...]


def predicted(rows: Sequence[NormRow]) -> tuple[list[Predicted], list[str]]:
    """Of each row, and notes on predictions that are missing or damaged: those runs are left out."""
    found, notes = [], []
    missing: list[str] = []
    for row in rows:
        errors: list[float] = []
        losses: list[float] = []
        accuracies: list[list[float | None]] = []
        classes = tuple(row.all_records[0]["data"].get("classes") or ())
        for record in row.records:
            folder = RunFolder(record["folder"])
            if not folder.predictions.exists():
                missing.append(printable(folder.path))
                continue
            try:
                labels, logits = read_predictions(folder, record)
            except RecordError as error:
                notes.append(f"left out: {error}")
                continue
            errors.append(expected_calibration_error(labels, logits))
            losses.append(negative_log_likelihood(labels, logits))
            accuracies.append(class_accuracies(labels, logits))
        found.append(
            Predicted(
                label=row.label,
                by=row.by,
                n=len(errors),
                calibration_error=_estimate(errors),
                nll=_estimate(losses),
                classes=classes,
                per_class=tuple(_over_runs([run[i] for run in accuracies]) for i in range(len(classes))),
            )
        )
    if missing:
        notes.append(
            f"no predictions, left out: {runs(len(missing))}: {named(missing)}; they stay where a run was made"
        )
    return found, notes


def expected_calibration_error(labels: "Labels", logits: "Logits", num_bins: int = NUM_BINS) -> float:
    """How far confidence and accuracy are apart: labels [N], logits [N, classes] -> a fraction.

    ECE = Σ_m |B_m| / N · |accuracy(B_m) − confidence(B_m)| over `num_bins` bins of equal width; B_m holds the images
    whose confidence, the greatest softmax probability, lies in ((m − 1) / M, m / M]. Guo et al. (2017), On calibration
    of modern neural networks, ICML.
    """
    import numpy as np

    log_probs = _log_softmax(logits)
    confidence = np.exp(log_probs.max(axis=1))
    correct = log_probs.argmax(axis=1) == labels
    bins = np.clip(np.ceil(confidence * num_bins).astype(int) - 1, 0, num_bins - 1)
    gaps = np.bincount(bins, weights=correct - confidence, minlength=num_bins)
    return float(np.abs(gaps).sum() / len(labels))


def negative_log_likelihood(labels: "Labels", logits: "Logits") -> float:
    """Mean cross-entropy in nats: labels [N], logits [N, classes]."""
    import numpy as np

    return float(-_log_softmax(logits)[np.arange(len(labels)), labels].mean())


def class_accuracies(labels: "Labels", logits: "Logits") -> list[float | None]:
    """The fraction of each class's images that are right, labels [N], logits [N, classes]; None without an image."""
    import numpy as np

    num_classes = logits.shape[1]
    correct = logits.argmax(axis=1) == labels
    totals = np.bincount(labels, minlength=num_classes)
    hits = np.bincount(labels, weights=correct, minlength=num_classes)
    return [float(hit / total) if total else None for hit, total in zip(hits, totals, strict=True)]


def _log_softmax(logits: "Logits") -> "Logits":
    import numpy as np

    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def _estimate(values: Sequence[float]) -> Estimate:
    return mean_interval(values) if values else Estimate(0, None, None, None, None, "no run with predictions")


def _over_runs(values: Sequence[float | None]) -> Estimate | None:
    known = [value for value in values if value is not None]
    return _estimate(known) if known or not values else None
