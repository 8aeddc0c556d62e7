"""Training curves of one run."""

import pytest

from normbench.plots.run_curves import draw_run_curves
from tests.svg import svg_text


def epochs(split: str, count: int) -> list[dict[str, float]]:
    return [
        {"epoch": e, "train_loss": 1 / e, f"{split}_loss": 2 / e, "train_accuracy": 0.5, f"{split}_accuracy": e / 10}
        for e in range(1, count + 1)
    ]


@pytest.mark.parametrize(("split", "count"), [("test", 5), ("val", 1)])
def test_curves_show_both_splits(split: str, count: int) -> None:
    figure = draw_run_curves(epochs(split, count), "GN(4) $a$")
    accuracy, loss = figure.axes
    assert list(accuracy.lines[0].get_ydata()) == pytest.approx([10 * e for e in range(1, count + 1)])
    assert (loss.get_xlabel(), loss.get_ylabel(), accuracy.get_ylabel()) == ("Epoch", "Loss", "Accuracy in %")
    assert len({line.get_linestyle() for line in loss.lines}) == 2
    words = svg_text(figure).splitlines()
    assert {"GN(4) $a$", "training", {"test": "test", "val": "validation"}[split]} <= set(words)
