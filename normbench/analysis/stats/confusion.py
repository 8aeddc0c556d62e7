"""What several runs take the same images for, and where norms disagree: pure functions of arrays."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def confusion_rates(
    labels: "NDArray[np.int64]", predicted: "NDArray[np.int64]", num_classes: int
) -> "NDArray[np.float64]":
    """[classes, classes]: [i, j] is the share of the images of class i that were taken for j.

    labels [N] are the true classes; predicted [N] or [runs, N], and then the mean over the runs. The row of a class
    without images is NaN.
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
    """The images one norm gets right in more than half of its runs and the other in fewer than half of its own.

    right [runs, N], other_right [other runs, N]: whether a run is right on an image. The largest difference of the two
    shares comes first; among equals the largest `margin` [N] (by which one norm is surer of the truth), then the order
    of the data.
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
