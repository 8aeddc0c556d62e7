"""Training curves of several norms: what is written on the figure."""

from pathlib import Path

import pytest

from normbench.plots.norm_curves import draw_norm_curves
from normbench.plots.style import norm_styles
from tests.svg import svg_text

ABOUT = "folder data, 500 test images, 3 epochs"


def run(level: float, epochs: int = 3, split: str = "test") -> list[dict[str, float]]:
    names = ("train_accuracy", "train_loss", f"{split}_accuracy", f"{split}_loss")
    return [{"epoch": e, **dict.fromkeys(names, level * e / epochs)} for e in range(1, epochs + 1)]


def test_curves_name_norms_n_units_and_data(tmp_path: Path) -> None:
    runs = {"BN": [run(0.8), run(0.9)], "GN($4$)": [run(0.7)]}
    text = svg_text(draw_norm_curves(runs, "test", ABOUT, norm_styles(list(runs)), tmp_path / "curves"))
    for part in ("BN, n = 2", "GN($4$), n = 1", "Test accuracy (%)", "Train loss (mean cross-entropy)", "Epoch"):
        assert part in text
    assert "500 test images" in text
    assert "95 % t interval" in text
    assert "a single run, no interval" in text


def test_curves_of_single_runs_claim_no_interval(tmp_path: Path) -> None:
    runs = {"BN": [run(0.8, split="val")]}
    text = svg_text(draw_norm_curves(runs, "val", ABOUT, norm_styles(["BN"]), tmp_path / "curves"))
    assert "Val accuracy (%)" in text
    assert "interval of that mean" not in text


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_curves_leave_out_epochs_without_a_finite_loss(value: float, tmp_path: Path) -> None:
    broken = run(0.8)
    broken[1]["test_loss"] = value
    runs = {"BN": [run(0.8), broken], "LN": [broken]}
    assert "LN, n = 1" in svg_text(draw_norm_curves(runs, "test", ABOUT, norm_styles(["BN", "LN"]), tmp_path / "c"))


def test_one_epoch_can_be_drawn(tmp_path: Path) -> None:
    assert svg_text(draw_norm_curves({"BN": [run(0.8, 1)]}, "test", ABOUT, norm_styles(["BN"]), tmp_path / "c"))


def test_the_same_svg_twice_and_no_date_in_it(tmp_path: Path) -> None:
    runs = {"BN": [run(0.8), run(0.9)]}
    for name in ("one", "two"):
        draw_norm_curves(runs, "test", ABOUT, norm_styles(["BN"]), tmp_path / name)
    first = (tmp_path / "one.svg").read_bytes()
    assert first == (tmp_path / "two.svg").read_bytes()
    assert b"dc:date" not in first
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.png", "one.svg", "two.png", "two.svg"]
