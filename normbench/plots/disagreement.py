"""Images that most runs of one norm classify correctly and most runs of another do not."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from normbench.analysis.stats.confusion import right_against_wrong
from normbench.plots.save import literal, save_figure
from normbench.plots.style import caption

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import SubFigure
    from numpy.typing import NDArray

COLUMNS, ROWS = 8, 2  # images shown for each direction
CELL_INCHES = 1.35
RULE = "right in more than half of one norm's seeds and in fewer than half of the other's"


@dataclass(frozen=True)
class NormPredictions:
    """The predictions of one norm's runs on the same N images."""

    label: str
    classes: "NDArray[np.int64]"
    """[runs, N]: each run's predicted class."""
    truth: "NDArray[np.float64]"
    """[N]: probability of the true class, mean over the runs."""

    @property
    def n(self) -> int:
        return len(self.classes)


def draw_disagreement(
    images: "NDArray[np.uint8]",
    labels: "NDArray[np.int64]",
    one: NormPredictions,
    other: NormPredictions,
    class_names: Sequence[str],
    about: str,
    stem: Path,
) -> list[Path]:
    """Draws the images that `one` classifies correctly and `other` does not, and below them the reverse.

    images: [N, 3, H, W], shown unchanged. labels: [N], the true classes.

    The strongest disagreement comes first. Above an image stands its true class, below it how many runs of each norm
    are correct and which wrong class the other norm predicts most often.
    Returns the paths written: `<stem>.png`, `<stem>.svg`.
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
        part.suptitle(literal(f"{text}{f' ({amount})' if len(which) else ''}"), fontsize=9.5)
        _draw_images(part, count, images[shown], [_texts(i, labels, right, wrong, class_names) for i in shown])
    title = f"Where {one.label} and {other.label} disagree"
    caption(figure, title, about, [_note(one, other)])
    return save_figure(figure, stem)


def _images_of(right: NormPredictions, wrong: NormPredictions, labels: "NDArray[np.int64]") -> "NDArray[np.int64]":
    return right_against_wrong(right.classes == labels, wrong.classes == labels, right.truth - wrong.truth)


def _texts(
    image: int, labels: "NDArray[np.int64]", right: NormPredictions, wrong: NormPredictions, class_names: Sequence[str]
) -> tuple[str, str]:
    """The text above an image, and the text below it."""
    import numpy as np

    truth = labels[image]
    counts = [f"{norm.label} {(norm.classes[:, image] == truth).sum()}/{norm.n}" for norm in (right, wrong)]
    mistaken = wrong.classes[:, image]
    usual = int(np.bincount(mistaken[mistaken != truth]).argmax())
    return class_names[truth], f"{counts[0]}\n{counts[1]}: {class_names[usual]}"


def _draw_images(part: "SubFigure", rows: int, images: "NDArray[np.uint8]", texts: Sequence[tuple[str, str]]) -> None:
    if not rows:
        return
    size = _font_size(texts)
    cells = part.subplots(rows, COLUMNS, squeeze=False).ravel()
    for axes in cells:
        axes.set_axis_off()
    for axes, image, (above, below) in zip(cells, images, texts, strict=False):
        axes.set_axis_on()
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
        axes.imshow(image.transpose(1, 2, 0), interpolation="none")  # an SVG then holds the pixels themselves
        axes.set_title(literal(above), fontsize=size, pad=3)
        axes.set_xlabel(literal(below), fontsize=size, labelpad=3)


def _font_size(texts: Sequence[tuple[str, str]]) -> float:
    """The font size in points at which the longest line fits a cell, which holds 21 characters of 8 points."""
    longest = max(len(line) for pair in texts for text in pair for line in text.splitlines())
    return min(8.0, 8.0 * 21 / longest)


def _note(one: NormPredictions, other: NormPredictions) -> str:
    note = (
        f"Disagreement: {RULE}. Strongest first: by the difference of the two shares of seeds, then by the difference "
        "of the mean probability of the true class. Above an image: its true class; below: how many of each norm's "
        "runs are right, and what the wrong norm takes it for most often."
    )
    if 1 in (one.n, other.n):
        note += " n = 1: two runs of the same norm disagree on many images too."
    return note
