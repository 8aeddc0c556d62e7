"""Images that one norm gets right and another wrong, over most of their seeds."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from normbench.analysis.stats.confusion import right_against_wrong
from normbench.plots.save import plain, save_figure
from normbench.plots.style import caption

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import SubFigure
    from numpy.typing import NDArray

COLUMNS, ROWS = 8, 2  # of images a direction
CELL_INCHES = 1.35
RULE = "right in more than half of one norm's seeds and in fewer than half of the other's"


@dataclass(frozen=True)
class Predicted:
    """What the runs of one norm say of the same images: the class [runs, N] and the truth's mean probability [N]."""

    label: str
    classes: "NDArray[np.int64]"
    truth: "NDArray[np.float64]"

    @property
    def n(self) -> int:
        return len(self.classes)


def draw_disagreement(
    images: "NDArray[np.uint8]",
    labels: "NDArray[np.int64]",
    one: Predicted,
    other: Predicted,
    class_names: Sequence[str],
    about: str,
    stem: Path,
) -> list[Path]:
    """Draws the images that `one` gets right and `other` wrong, and under them those the other way round.

    images [N, 3, H, W] are shown as they are, labels [N] are the truth. Strongest disagreement first; each image has
    its true class above it, and below it how many runs of each norm are right and what the wrong norm says most often.
    Returns the paths written: `<stem>.png` and `<stem>.svg`.
    """
    from matplotlib.figure import Figure  # slow to import

    found = [(a, b, _images_of(a, b, labels)) for a, b in ((one, other), (other, one))]
    rows = [min(ROWS, -(-len(which) // COLUMNS)) for _, _, which in found]
    heights = [(CELL_INCHES + 0.4) * count + 0.3 for count in rows]
    figure = Figure(figsize=(CELL_INCHES * COLUMNS + 0.2, sum(heights) + 1.0), layout="constrained")
    parts: Any = figure.subfigures(2, 1, height_ratios=heights)
    for part, (right, wrong, which), count in zip(parts, found, rows, strict=True):
        shown = which[: COLUMNS * ROWS]
        amount = "all shown" if len(shown) == len(which) else f"the {len(shown)} strongest shown"
        text = f"{right.label} right, {wrong.label} wrong: {len(which):,} of {len(labels):,} images"
        part.suptitle(plain(f"{text}{f' ({amount})' if len(which) else ''}"), fontsize=9.5)
        _draw_images(part, count, images[shown], [_texts(i, labels, right, wrong, class_names) for i in shown])
    title = f"Where {one.label} and {other.label} disagree"
    caption(figure, title, about, [_note(one, other)])
    return save_figure(figure, stem)


def _images_of(right: Predicted, wrong: Predicted, labels: "NDArray[np.int64]") -> "NDArray[np.int64]":
    return right_against_wrong(right.classes == labels, wrong.classes == labels, right.truth - wrong.truth)


def _texts(
    image: int, labels: "NDArray[np.int64]", right: Predicted, wrong: Predicted, class_names: Sequence[str]
) -> tuple[str, str]:
    """What stands above and below an image."""
    import numpy as np

    truth = labels[image]
    counts = [f"{norm.label} {(norm.classes[:, image] == truth).sum()}/{norm.n}" for norm in (right, wrong)]
    mistaken = wrong.classes[:, image]
    usual = int(np.bincount(mistaken[mistaken != truth]).argmax())
    return class_names[truth], f"{counts[0]}\n{counts[1]}: {class_names[usual]}"


def _draw_images(part: "SubFigure", rows: int, images: "NDArray[np.uint8]", texts: Sequence[tuple[str, str]]) -> None:
    if not rows:
        return
    size = _fitting(texts)
    cells = part.subplots(rows, COLUMNS, squeeze=False).ravel()
    for axes in cells:
        axes.set_axis_off()
    for axes, image, (above, below) in zip(cells, images, texts, strict=False):
        axes.set_axis_on()
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
        axes.imshow(image.transpose(1, 2, 0), interpolation="none")  # in an SVG: the pixels themselves
        axes.set_title(plain(above), fontsize=size, pad=3)
        axes.set_xlabel(plain(below), fontsize=size, labelpad=3)


def _fitting(texts: Sequence[tuple[str, str]]) -> float:
    """The size in points at which the longest line is no wider than a cell: 21 signs at 8 points."""
    longest = max(len(line) for pair in texts for text in pair for line in text.splitlines())
    return min(8.0, 8.0 * 21 / longest)


def _note(one: Predicted, other: Predicted) -> str:
    note = (
        f"Disagreement: {RULE}. Strongest first: by the difference of the two shares of seeds, then by the difference "
        "of the mean probability of the true class. Above an image: its true class; below: how many of each norm's "
        "runs are right, and what the wrong norm takes it for most often."
    )
    if 1 in (one.n, other.n):
        note += " n = 1: two runs of the same norm disagree on many images too."
    return note
