"""A grid of misclassified images."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from normbench.plots.save import literal, save_png

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

CELL_INCHES = 1.9
TITLE_INCHES = 0.6
LONGEST_LINE = 30  # characters: every pair of CIFAR-10 class names fits


def draw_misclassified(
    images: "NDArray[np.uint8]",
    labels: "NDArray[np.int64]",
    logits: "NDArray[np.floating]",
    class_names: Sequence[str],
    title: str,
    path: Path,
    rows: int = 2,
    columns: int = 5,
    choose: Literal["random", "confident"] = "random",
    seed: int = 0,
) -> None:
    """Draws up to rows × columns misclassified images as a PNG, each titled `true | predicted (confidence)`.

    images: [N, 3, H, W], shown unchanged. labels: [N]. logits: [N, classes].
    choose: `random` samples mistakes without replacement from `seed` and keeps the order of the data; `confident`
        takes the most confident mistakes first.

    The confidence is the softmax probability of the predicted class. The title counts all mistakes.
    """
    from matplotlib.figure import Figure  # slow to import

    wrong, predicted, confidence = mistakes(labels, logits)
    chosen = choose_mistakes(wrong, confidence, rows * columns, choose, seed)
    which = {"random": f"{len(chosen)} drawn at random", "confident": f"the {len(chosen)} most confident"}[choose]
    shown = "all shown" if len(chosen) == len(wrong) else which
    count = (
        f"{len(wrong):,} of {len(labels):,} images misclassified ({shown})" if len(wrong) else "no image misclassified"
    )
    used_rows = math.ceil(len(chosen) / columns)
    size = (CELL_INCHES * columns, (CELL_INCHES + 0.3) * used_rows + TITLE_INCHES)
    figure = Figure(figsize=size, layout="constrained")
    figure.suptitle(literal(f"{title}\n{count}"), fontsize=11)
    if used_rows:
        cells = figure.subplots(used_rows, columns, squeeze=False).ravel()
        for axes in cells:
            axes.set_axis_off()
        for axes, index in zip(cells, chosen, strict=False):
            names = (class_names[labels[index]], class_names[predicted[index]])
            _show(axes, images[index], names, float(confidence[index]))
    save_png(figure, path)


def mistakes(
    labels: "NDArray[np.int64]", logits: "NDArray[np.floating]"
) -> tuple["NDArray[np.int64]", "NDArray[np.int64]", "NDArray[np.float64]"]:
    """(indices of the misclassified images, predicted class [N], its softmax probability [N])."""
    import numpy as np

    wide = logits.astype(np.float64)  # logits may be float16
    predicted = wide.argmax(axis=1)
    # softmax at the largest logit: exp(z_max) / Σ exp(z)
    confidence = 1 / np.exp(wide - wide.max(axis=1, keepdims=True)).sum(axis=1)
    return np.flatnonzero(predicted != labels), predicted, confidence


def choose_mistakes(
    wrong: "NDArray[np.int64]", confidence: "NDArray[np.float64]", most: int, choose: str, seed: int
) -> "NDArray[np.int64]":
    """At most `most` of the indices `wrong`, chosen as `draw_misclassified` says."""
    import numpy as np

    if choose == "confident":
        return wrong[np.argsort(-confidence[wrong], kind="stable")][:most]
    drawn = np.random.default_rng(seed).choice(len(wrong), size=min(most, len(wrong)), replace=False)
    return wrong[np.sort(drawn)]


def _show(axes: "Axes", image: "NDArray[np.uint8]", names: tuple[str, str], confidence: float) -> None:
    true, predicted = names
    lines = [f"{true} | {predicted} ({confidence:.0%})"]
    if len(lines[0]) > LONGEST_LINE:
        lines = [f"{true} |", f"{predicted} ({confidence:.0%})"]
    size = min(9.0, 9.0 * 23 / max(map(len, lines)))  # a cell holds 23 characters of 9 points
    axes.imshow(image.transpose(1, 2, 0), interpolation="nearest")
    axes.set_title(literal("\n".join(lines)), fontsize=size, pad=4)
