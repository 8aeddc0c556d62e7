"""Training curves of several norms: what is written on the figure."""

import pytest

from normbench.plots.norm_curves import draw_norm_curves
from normbench.plots.style import norm_styles
from tests.svg import svg_text

ABOUT = "folder data, 500 test images, 3 epochs"


def run(level: float, epochs: int = 3, split: str = "test") -> list[dict[str, float]]:
    names = ("train_accuracy", "train_loss", f"{split}_accuracy", f"{split}_loss")
    return [{"epoch": e, **dict.fromkeys(names, level * e / epochs)} for e in range(1, epochs + 1)]


def test_curves_name_norms_n_units_and_data() -> None:
    runs = {"BN": [run(0.8), run(0.9)], "GN($4$)": [run(0.7)]}
    text = svg_text(draw_norm_curves(runs, "test", ABOUT, norm_styles(list(runs))))
    for part in ("BN, n = 2", "GN($4$), n = 1", "Test accuracy in %", "Training loss", "Epoch"):
        assert part in text
    assert "500 test images" in text
    assert "n = 2: from run to run, no interval" in text
    assert "a single run, no interval" in text
    three = {"BN": [run(0.8), run(0.9), run(0.85)]}
    assert "95 % t interval of the mean" in svg_text(draw_norm_curves(three, "test", ABOUT, norm_styles(["BN"])))


def test_curves_of_single_runs_claim_no_interval() -> None:
    runs = {"BN": [run(0.8, split="val")]}
    text = svg_text(draw_norm_curves(runs, "val", ABOUT, norm_styles(["BN"])))
    assert "Validation accuracy in %" in text
    assert "interval of the mean" not in text


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_curves_leave_out_epochs_without_a_finite_loss(value: float) -> None:
    broken = run(0.8)
    broken[1]["test_loss"] = value
    runs = {"BN": [run(0.8), broken], "LN": [broken]}
    assert "LN, n = 1" in svg_text(draw_norm_curves(runs, "test", ABOUT, norm_styles(["BN", "LN"])))


def test_one_epoch_can_be_drawn() -> None:
    assert svg_text(draw_norm_curves({"BN": [run(0.8, 1)]}, "test", ABOUT, norm_styles(["BN"])))


def test_bands_are_told_apart_without_colour() -> None:
    runs = {label: [run(0.8), run(0.9), run(0.85)] for label in ("BN", "GN")}
    figure = draw_norm_curves(runs, "test", ABOUT, norm_styles(["BN", "GN"]))
    edges = [line for line in figure.axes[0].lines if line.get_marker() == "None"]
    assert [line.get_linestyle() for line in edges] == ["-", "-", "--", "--"]  # both edges of each band
