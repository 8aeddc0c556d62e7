"""Images that most runs of one norm classify correctly and most runs of another do not."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from normbench.analysis.stats.confusion import right_against_wrong
from normbench.plots.frame import frame, wrapped
from normbench.plots.layout import OWN, Layout
from normbench.plots.picture_grid import Picture, draw_pictures, type_size
from normbench.plots.save import literal
from normbench.plots.style import new_figure

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

COLUMNS, ROWS = 8, 2  # images shown for each direction, fewer columns where the page is narrow
CELL_INCHES, LEAST_INCHES = 1.35, 1.05
NO_BREAK = "\xa0"
KEY = (
    "Above each image: its true class. Below: how many runs of each norm are right, and what the runs that are wrong "
    "take it for most often."
)


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
    layout: Layout = OWN,
) -> "Figure":
    """Draws the images that `one` classifies correctly and `other` does not, and below them the reverse.

    images: [N, 3, H, W], shown unchanged. labels: [N], the true classes.

    The strongest disagreement comes first. KEY says what stands above and below an image.
    """
    page = layout.page(CELL_INCHES * COLUMNS + 0.2)
    columns = page.columns_of(LEAST_INCHES, COLUMNS)
    inches = (page.width - 0.2) / columns
    most = columns * ROWS
    found = [(right, wrong, _images_of(right, wrong, labels)) for right, wrong in ((one, other), (other, one))]
    heads = [wrapped(_heading(*direction, len(labels), most), page.width, page.text) for direction in found]
    grids = [
        [Picture(images[i], *_texts(i, labels, right, wrong, class_names)) for i in which[:most]]
        for right, wrong, which in found
    ]
    line, size = page.small / 72 * 1.4, type_size([*grids[0], *grids[1]], inches, page)
    heights: list[float] = []  # of each row: a heading, then images, twice
    for head, pictures in zip(heads, grids, strict=True):
        heights += [len(head) * page.text / 72 * 1.4, *[inches + 4 * line] * -(-len(pictures) // columns)]
    figure = new_figure(page, sum(heights))
    if any(grids):
        figure.get_layout_engine().set(h_pad=0.5 * line)  # type: ignore[union-attr, call-arg]
    rows = iter(figure.add_gridspec(len(heights), 1, height_ratios=heights))
    for head, pictures in zip(heads, grids, strict=True):
        heading = figure.add_subplot(next(rows))
        heading.set_axis_off()
        heading.text(0.5, 0.3, literal("\n".join(head)), ha="center", va="center", fontsize=page.text)
        for first in range(0, len(pictures), columns):
            cells = next(rows).subgridspec(1, columns).subplots(squeeze=False).ravel()
            draw_pictures(cells, pictures[first : first + columns], inches, size)
    frame(figure, page, f"Where {one.label} and {other.label} disagree", about, key=KEY, notes=_notes(one, other))
    return figure


def _images_of(right: NormPredictions, wrong: NormPredictions, labels: "NDArray[np.int64]") -> "NDArray[np.int64]":
    return right_against_wrong(right.classes == labels, wrong.classes == labels, right.truth - wrong.truth)


def _heading(right: NormPredictions, wrong: NormPredictions, which: "NDArray[np.int64]", total: int, most: int) -> str:
    text = f"{right.label} right, {wrong.label} wrong: {len(which):,} of {total:,} images"
    amount = "(all shown)" if len(which) <= most else f"(the {most} strongest shown)"
    return f"{text} {amount.replace(' ', NO_BREAK)}" if len(which) else text


def _texts(
    image: int, labels: "NDArray[np.int64]", right: NormPredictions, wrong: NormPredictions, class_names: Sequence[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The lines above an image, and the lines below it."""
    import numpy as np

    truth = labels[image]
    counts = [f"{norm.label} {(norm.classes[:, image] == truth).sum()}/{norm.n}" for norm in (right, wrong)]
    mistaken = wrong.classes[:, image]
    usual = int(np.bincount(mistaken[mistaken != truth]).argmax())
    return (class_names[truth],), (counts[0], f"{counts[1]}: {class_names[usual]}")


def _notes(one: NormPredictions, other: NormPredictions) -> list[str]:
    notes = [
        "Shown: right in more than half of one norm's seeds and in fewer than half of the other's. Strongest first: by "
        "the difference of the two shares of seeds, then of the mean probabilities of the true class."
    ]
    if 1 in (one.n, other.n):
        notes.append("n = 1: two runs of the same norm disagree on many images too.")
    return notes
