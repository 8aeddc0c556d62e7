"""A grid of misclassified images."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from normbench.plots.frame import frame
from normbench.plots.layout import OWN, Layout, characters
from normbench.plots.picture_grid import Picture, draw_pictures, type_size
from normbench.plots.style import new_figure

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

CELL_INCHES, LEAST_INCHES = 1.9, 1.05
KEY = "Above each image: its true class | the class predicted (the softmax probability of that class)."


def draw_misclassified(
    images: "NDArray[np.uint8]",
    labels: "NDArray[np.int64]",
    logits: "NDArray[np.floating]",
    class_names: Sequence[str],
    title: str,
    rows: int = 2,
    columns: int = 5,
    choose: Literal["random", "confident"] = "random",
    seed: int = 0,
    layout: Layout = OWN,
) -> "Figure":
    """Draws up to rows × columns misclassified images, each titled `true | predicted (confidence)`.

    images: [N, 3, H, W], shown unchanged. labels: [N]. logits: [N, classes].
    choose: `random` samples mistakes without replacement from `seed` and keeps the order of the data; `confident`
        takes the most confident mistakes first.

    The confidence is the softmax probability of the predicted class. The title counts all mistakes. A narrow page has
    fewer columns and more rows.
    """
    wrong, predicted, confidence = mistakes(labels, logits)
    chosen = choose_mistakes(wrong, confidence, rows * columns, choose, seed)
    which = {"random": f"{len(chosen)} drawn at random", "confident": f"the {len(chosen)} most confident"}[choose]
    shown = "all shown" if len(chosen) == len(wrong) else which
    count = f"{len(wrong):,} of {len(labels):,} images misclassified ({shown})" if len(wrong) else "no mistakes"
    page = layout.page(CELL_INCHES * columns)
    columns = page.columns_of(LEAST_INCHES, columns)
    inches = page.width / columns

    def texts(index: int) -> tuple[str, ...]:
        true, guess = class_names[labels[index]], f"{class_names[predicted[index]]} ({confidence[index]:.0%})"
        line = f"{true} | {guess}"
        return (line,) if len(line) <= characters(inches, page.small) else (f"{true} |", guess)

    pictures = [Picture(images[index], texts(index)) for index in chosen]
    lines = max((len(picture.above) for picture in pictures), default=1)
    used_rows = math.ceil(len(pictures) / columns)
    figure = new_figure(page, (inches + 0.1 + lines * 1.3 * page.small / 72) * used_rows + 0.1)
    if used_rows:
        draw_pictures(
            figure.subplots(used_rows, columns, squeeze=False).ravel(),
            pictures,
            inches,
            type_size(pictures, inches, page),
        )
    frame(figure, page, title, count, key=KEY if len(wrong) else "")
    return figure


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
