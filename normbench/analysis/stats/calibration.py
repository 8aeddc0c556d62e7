"""Calibration, log-likelihood and accuracy class by class: pure functions of labels and logits."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Labels = NDArray[np.int64]
    Logits = NDArray[np.float64]

NUM_BINS = 15


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
    """The fraction of each class's images that are classified correctly; None for a class without images.

    labels [N], logits [N, classes].
    """
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
