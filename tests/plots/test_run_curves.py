"""Training curves of one run."""

from pathlib import Path

import pytest
from PIL import Image

from normbench.plots.run_curves import draw_run_curves


def png_width(path: Path) -> int:
    with Image.open(path) as image:
        image.load()
        return image.width


def epochs(split: str, count: int) -> list[dict[str, float]]:
    return [
        {"epoch": e, "train_loss": 1 / e, f"{split}_loss": 2 / e, "train_accuracy": 0.5, f"{split}_accuracy": e / 10}
        for e in range(1, count + 1)
    ]


@pytest.mark.parametrize(("split", "count"), [("test", 5), ("val", 1)])
def test_curves_show_both_splits(split: str, count: int, figures: list, tmp_path: Path) -> None:
    draw_run_curves(epochs(split, count), "GN(4) $a$", tmp_path / "curves.png")
    (figure,) = figures
    loss, accuracy = figure.axes
    assert [line.get_label() for line in loss.lines] == ["train", split]
    assert list(accuracy.lines[1].get_ydata()) == pytest.approx([10 * e for e in range(1, count + 1)])
    assert (loss.get_xlabel(), loss.get_ylabel(), accuracy.get_ylabel()) == (
        "Epoch",
        "Loss (mean cross-entropy)",
        "Accuracy (%)",
    )
    assert len({line.get_linestyle() for line in loss.lines}) == 2
    assert png_width(tmp_path / "curves.png") > 1000
    assert [path.name for path in tmp_path.iterdir()] == ["curves.png"]
