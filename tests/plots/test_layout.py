"""Every figure at every width: type of at least 6 points, nothing cut off or on top of something else."""

from collections.abc import Callable
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import pytest

from normbench.analysis.stats.estimate import mean_interval
from normbench.errors import ConfigError
from normbench.plots.confusion import draw_confusion
from normbench.plots.curves_apart import draw_curves_apart
from normbench.plots.disagreement import NormPredictions, draw_disagreement
from normbench.plots.layout import Layout, checked_width
from normbench.plots.misclassified import draw_misclassified
from normbench.plots.norm_curves import draw_norm_curves
from normbench.plots.norm_seeds import draw_norm_seeds
from normbench.plots.run_curves import draw_run_curves
from normbench.plots.running_statistics import Curves, draw_running_statistics
from normbench.plots.shared_sets import draw_shared_sets
from normbench.plots.style import norm_styles
from normbench.plots.sweep import draw_sweep

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ABOUT = "folder data, 10,000 test images, experiment seeds, 20 epochs, batch size 64, muon, learning rate 0.04"
FEW = ("BN", "GN(4)", "LN-CHW(affine=False)")
MANY = (*FEW, *(f"norm {i}" for i in range(6)))
CLASSES = ("airplane", "automobile", "bird", "a very long name of a class")
STYLES = norm_styles(MANY)


def rows(level: float) -> list[dict[str, float]]:
    names = ("train_accuracy", "train_loss", "test_accuracy", "test_loss")
    return [{"epoch": e, **dict.fromkeys(names, level * e / 20)} for e in range(1, 21)]


def runs(labels: tuple[str, ...]) -> dict[str, list]:
    return {label: [rows(0.9 - i / 50), rows(0.92 - i / 50), rows(0.93)] for i, label in enumerate(labels)}


def sweep(labels: tuple[str, ...], layout: Layout) -> "Figure":
    lines = {label: [(2, mean_interval([0.4, 0.5, 0.7])), (512, mean_interval([0.6]))] for label in labels}
    return draw_sweep(lines, {}, "train.batch_size", "test", ABOUT, STYLES, layout)


def confusion(layout: Layout) -> "Figure":
    rates = np.full((4, 4), 0.25)
    return draw_confusion(rates, 3, "GN(4)", CLASSES, ABOUT, (np.eye(4), 3, "BN"), layout)


def disagreement(layout: Layout) -> "Figure":
    images, labels = np.zeros((20, 3, 8, 8), dtype=np.uint8), np.zeros(20, dtype=np.int64)
    one = NormPredictions("LN-CHW(affine=False)", np.zeros((3, 20), dtype=np.int64), np.ones(20))
    other = NormPredictions("GN(4)", np.ones((3, 20), dtype=np.int64), np.zeros(20))
    return draw_disagreement(images, labels, one, other, CLASSES, ABOUT, layout)


def misclassified(layout: Layout) -> "Figure":
    images, labels = np.zeros((20, 3, 8, 8), dtype=np.uint8), np.zeros(20, dtype=np.int64)
    logits = np.eye(4)[np.arange(20) % 4]
    title = "LN-CHW(affine=False), seed 0, folder data, default recipe"
    return draw_misclassified(images, labels, logits, CLASSES, title, layout=layout)


def running(layout: Layout) -> "Figure":
    curves = Curves(("BN", "GBN"), (1, 10, 4000), [(0.1, 0.2)] * 3, [(1.0, 2.0)] * 3, (0.5, 0.5), (1.0, 2.0))
    return draw_running_statistics({"exponential average, momentum 0.001": [curves]}, "Running statistics", layout)


def shared_sets(layout: Layout) -> "Figure":
    sets = np.arange(4 * 6 * 4).reshape(4, 6, 2, 2).tolist()
    return draw_shared_sets([("BN, GBN(16), BRN, PN", "over N, H, W: C = 6 sets", sets)] * 5, layout)


FIGURES: dict[str, Callable[[Layout], "Figure"]] = {
    "seeds": lambda layout: draw_norm_seeds(
        {label: dict(enumerate((0.8, 0.8, 0.85))) for label in FEW}, {"BN": 1}, "test", ABOUT, STYLES, layout
    ),
    "curves": lambda layout: draw_norm_curves(runs(FEW), "test", ABOUT, STYLES, layout),
    "curves apart": lambda layout: draw_curves_apart(runs(MANY), "accuracy", "test", ABOUT, STYLES, layout),
    "sweep": lambda layout: sweep(FEW, layout),
    "sweep apart": lambda layout: sweep(MANY, layout),
    "run": lambda layout: draw_run_curves(rows(0.9), "GN(4), seed 0, folder data, default recipe", layout),
    "confusion": confusion,
    "disagreement": disagreement,
    "misclassified": misclassified,
    "running": running,
    "shared sets": shared_sets,
}


@pytest.mark.parametrize("width", [2.5, None])
@pytest.mark.parametrize("name", FIGURES)
def test_all_that_is_written_can_be_read(name: str, width: float | None) -> None:
    from matplotlib.text import Text

    figure = FIGURES[name](Layout(width=width))
    figure.draw_without_rendering()
    assert width is None or figure.get_figwidth() == width
    texts = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
    assert min(text.get_fontsize() for text in texts) >= 6
    whole = figure.bbox.padded(2)
    panels = [axes.get_tightbbox() for axes in figure.axes]
    for box in (*(text.get_window_extent() for text in figure.texts), *panels):
        assert whole.x0 <= box.x0 and box.x1 <= whole.x1 and whole.y0 <= box.y0 and box.y1 <= whole.y1
    around = [text.get_window_extent() for text in figure.texts] + [key.get_window_extent() for key in figure.legends]
    for one, other in [*combinations(around, 2), *((one, panel) for one in around for panel in panels)]:
        assert not one.padded(-1).overlaps(other.padded(-1))


@pytest.mark.parametrize("name", ["seeds", "curves", "sweep", "misclassified"])
def test_without_a_title_the_legend_stays(name: str) -> None:
    with_title, without = FIGURES[name](Layout()), FIGURES[name](Layout(title=False))
    assert len(with_title.legends) == len(without.legends)
    assert without.get_figheight() < with_title.get_figheight()
    written = " ".join(text.get_text() for text in without.texts)
    assert "images," not in written
    assert ("Above each image" in written) == (name == "misclassified")
    if name in ("curves", "sweep"):
        labels = [text.get_text() for text in without.legends[0].get_texts()]
        assert any("n = " in label for label in labels)
        assert "95 % t interval of the mean" in labels


@pytest.mark.parametrize("width", [0.0, -3.3, 2.0, 300.0, float("nan"), float("inf")])
def test_a_width_that_no_figure_can_have_is_refused(width: float) -> None:
    with pytest.raises(ConfigError, match=r"--width .*2\.5 to 30"):
        checked_width(width, "--width")
