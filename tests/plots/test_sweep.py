"""Accuracy by the values of a key: the axis, and what is written on the figure."""

import pytest

from normbench.analysis.stats.estimate import mean_interval
from normbench.plots.style import norm_styles
from normbench.plots.sweep import draw_sweep
from normbench.plots.value_axis import axis_scale
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


def test_the_sweep_names_values_n_and_where_all_diverged() -> None:
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
        )
    )
    for part in ("BN, n = 3", "GN, n = 1 to 3", "n=1", "Batch size (log scale)", "Test accuracy in %"):
        assert part in text
    for part in ("no run finished", "n = 1: a single run", "95 % t interval of the mean"):
        assert part in text.splitlines()
    assert "Diverged, in no mean: BN at 2: 3 runs." in " ".join(text.split())


def test_a_norm_without_the_key_is_a_level_line() -> None:
    lines = {"BN": [(None, mean_interval([0.8, 0.81]))], "GN": [(1, mean_interval([0.7])), (4, mean_interval([0.75]))]}
    text = svg_text(draw_sweep(lines, {}, "norm.num_groups", "test", ABOUT, norm_styles(list(lines))))
    assert "Level line: BN without number of groups." in text
    assert "BN, n = 2" in text
    assert "not set" not in text


def test_text_and_missing_values_are_categories() -> None:
    one = mean_interval([0.8])
    lines = {"BN": [("$sgd$", one), (None, one)]}
    text = svg_text(draw_sweep(lines, {}, "train.x", "test", ABOUT, norm_styles(["BN"])))
    assert "$sgd$" in text
    assert "not set" in text


def test_bars_at_one_value_stand_beside_each_other_and_within_the_axes() -> None:
    found = mean_interval([0.8, 0.81, 0.83])
    lines = {label: [(2, found), (64, found)] for label in ("BN", "GN", "LN")}
    figure = draw_sweep(lines, {}, "train.batch_size", "test", ABOUT, norm_styles(list(lines)))
    figure.draw_without_rendering()
    (axes,) = figure.axes
    marks = [line for line in axes.lines if line.get_marker() in ("o", "s", "^")]
    at = [line.get_transform().transform(line.get_xydata())[0] for line in marks]
    assert len({round(x) for x, _ in at}) == 6
    assert all(axes.bbox.contains(x, y) for x, y in at)


def test_many_norms_have_a_panel_each() -> None:
    lines = {f"norm {i}": [(2, mean_interval([i / 20])), (64, mean_interval([0.5]))] for i in range(15)}
    figure = draw_sweep(lines, {}, "train.batch_size", "test", ABOUT, norm_styles(list(lines)))
    assert [axes.get_title() for axes in figure.axes if axes.axison] == [f"{label}, n = 1" for label in lines]
