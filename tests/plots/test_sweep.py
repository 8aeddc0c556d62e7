"""Accuracy by the values of a key: the axis, and what is written on the figure."""

from pathlib import Path

import pytest

from normbench.analysis.stats.estimate import mean_interval
from normbench.plots.style import norm_styles
from normbench.plots.sweep import axis_scale, draw_sweep
from tests.svg import svg_text

ABOUT = "folder data, 500 test images, 3 epochs"


@pytest.mark.parametrize(
    ("key", "values", "scale"),
    [
        ("train.batch_size", [2, 16, 256], "log2"),
        ("norm.num_groups", [1, 2, 4, 8, 16], "log2"),
        ("train.optimizer.lr", [0.01, 0.02, 0.03], "log10"),
        ("train.optimizer.weight_decay", [0.0, 1e-4], "linear"),
        ("train.epochs", [5, 10, 15], "linear"),
        ("train.epochs", [1, 20], "log10"),
        ("train.batch_size", [64], "linear"),
        ("train.optimizer.name", ["sgd", "muon"], "categorical"),
        ("train.optimizer.nesterov", [True, False], "categorical"),
    ],
)
def test_the_axis_fits_the_values(key: str, values: list, scale: str) -> None:
    assert axis_scale(key, values) == scale


def test_the_sweep_names_values_n_and_where_all_diverged(tmp_path: Path) -> None:
    full, single, none = mean_interval([0.8, 0.81, 0.82]), mean_interval([0.7]), mean_interval([])
    lines = {"BN": [(2, none), (64, full)], "GN": [(2, single), (64, full)]}
    text = svg_text(
        draw_sweep(
            lines,
            {("BN", 2): 3, ("BN", 64): 0},
            "train.batch_size",
            "test",
            ABOUT,
            norm_styles(list(lines)),
            tmp_path / "sweep",
        )
    )
    for part in ("BN, n = 3", "GN, n = 1 to 3", "n=1", "train.batch_size (log scale)", "Test accuracy (%)"):
        assert part in text
    assert "× at the foot: no run finished. Diverged, in no mean: BN at 2: 3 runs." in " ".join(text.split())


def test_a_norm_without_the_key_is_a_level_line(tmp_path: Path) -> None:
    lines = {"BN": [(None, mean_interval([0.8, 0.81]))], "GN": [(1, mean_interval([0.7])), (4, mean_interval([0.75]))]}
    text = svg_text(
        draw_sweep(lines, {}, "norm.num_groups", "test", ABOUT, norm_styles(list(lines)), tmp_path / "sweep")
    )
    assert "Level line: BN without norm.num_groups." in text
    assert "BN, n = 2" in text
    assert "not set" not in text


def test_text_and_missing_values_are_categories(tmp_path: Path) -> None:
    one = mean_interval([0.8])
    lines = {"BN": [("$sgd$", one), (None, one)]}
    text = svg_text(draw_sweep(lines, {}, "train.x", "test", ABOUT, norm_styles(["BN"]), tmp_path / "sweep"))
    assert "$sgd$" in text
    assert "not set" in text
