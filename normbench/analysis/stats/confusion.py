"""Confusion matrices, and images on which two norms disagree: pure functions of arrays."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def confusion_rates(
    labels: "NDArray[np.int64]", predicted: "NDArray[np.int64]", num_classes: int
) -> "NDArray[np.float64]":
    """The confusion matrix [classes, classes]: [i, j] is the fraction of the images of class i predicted as class j.

    labels [N] are the true classes, predicted [N] or [runs, N] the predicted ones; of several runs, the mean. The row
    of a class without images is NaN.
    """
    import numpy as np

    runs = np.atleast_2d(predicted)
    cells = labels * num_classes + runs
    counts = np.bincount(cells.ravel(), minlength=num_classes**2).reshape(num_classes, num_classes)
    totals = counts.sum(axis=1, keepdims=True)
    return np.divide(counts, totals, out=np.full(counts.shape, np.nan), where=totals > 0)


def right_against_wrong(
    right: "NDArray[np.bool_]", other_right: "NDArray[np.bool_]", margin: "NDArray[np.float64] | None" = None
) -> "NDArray[np.int64]":
    """Indices of the images that one norm classifies correctly in over half of its runs, the other in under half.

    right [runs, N], other_right [other runs, N]: whether a run is correct on an image. Sorted by the difference of the
    two shares, largest first; then by `margin` [N], the difference of the mean probabilities of the true class; then
    by index.
    """
    import numpy as np

    share, other = right.mean(axis=0), other_right.mean(axis=0)
    found = np.flatnonzero((share > 0.5) & (other < 0.5))
    ties = np.zeros(len(found)) if margin is None else margin[found]
    return found[np.lexsort((found, -ties, -(share - other)[found]))]


def truth_probability(logits: "NDArray[np.floating]", labels: "NDArray[np.int64]") -> "NDArray[np.float64]":
    """The softmax probability of each image's true class, [N], from logits [N, classes] of any float type."""
    import numpy as np

    wide = logits.astype(np.float64)
    weights = np.exp(wide - wide.max(axis=1, keepdims=True))
    return weights[np.arange(len(labels)), labels] / weights.sum(axis=1)
