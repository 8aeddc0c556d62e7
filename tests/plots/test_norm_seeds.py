"""Every seed as a dot: what is written on the figure."""

import pytest

from normbench.plots.layout import OWN, Layout
from normbench.plots.norm_seeds import draw_norm_seeds
from normbench.plots.seed_rows import stacked
from normbench.plots.style import norm_styles
from tests.svg import svg_text

ABOUT = "folder data, 500 test images, 3 epochs"


def test_seeds_have_mean_interval_and_n_and_diverged_runs_are_counted() -> None:
    accuracies = {"BN": {0: 0.80, 1: 0.801, 2: 0.802}, "LN": {0: 0.7}, "IN": {}}
    diverged = {"LN": 1, "IN": 2}
    text = svg_text(draw_norm_seeds(accuracies, diverged, "test", ABOUT, norm_styles(list(accuracies))))
    # 80.0, 80.1, 80.2: mean 80.1, std 0.1, t(2, 0.975) = 4.303: 0.248 to either side
    for part in ("80.10 [79.85, 80.35], n = 3", "70.00, n = 1, 1 diverged", "no finished run, 2 diverged"):
        assert part in text
    assert "same seed" not in text


def test_runs_of_one_seed_are_joined_where_seeds_pair() -> None:
    pairs = {"BN": {0: 0.8, 1: 0.81}, "GN": {0: 0.7, 1: 0.72}}
    assert "same seed" in svg_text(draw_norm_seeds(pairs, {}, "test", ABOUT, norm_styles(list(pairs))))
    others = {"BN": {0: 0.8, 1: 0.81}, "GN": {2: 0.7, 3: 0.72}}
    assert "same seed" not in svg_text(draw_norm_seeds(others, {}, "test", ABOUT, norm_styles(list(others))))


def test_all_diverged_is_a_figure_that_says_so() -> None:
    text = svg_text(draw_norm_seeds({"BN": {}}, {"BN": 3}, "test", ABOUT, norm_styles(["BN"])))
    assert "no finished run, 3 diverged" in text


def test_equal_seeds_do_not_hide_each_other() -> None:
    runs = {"BN": dict.fromkeys(range(10), 0.8) | {10: 0.9}, "GN": {0: 0.85, 1: 0.86, 2: 0.85}}
    for layout in (OWN, Layout(width=3.3)):
        figure = draw_norm_seeds(runs, {}, "test", ABOUT, norm_styles(list(runs)), layout)
        dots = [line.get_xydata() for line in figure.axes[0].lines if line.get_marker() in ("o", "s")]
        places = [tuple(dot) for of_norm in dots for dot in of_norm]
        assert len(places) == len(set(places)) == 14
        again = draw_norm_seeds(runs, {}, "test", ABOUT, norm_styles(list(runs)), layout)
        assert svg_text(figure) == svg_text(again)


@pytest.mark.parametrize(
    ("values", "apart", "levels"),
    [
        ([1.0, 2.0, 3.0], 0.5, [0, 0, 0]),
        ([1.0, 1.2, 1.4], 0.3, [0, 1, 0]),
        ([1.0, 1.0, 1.0], 0.0, [0, 1, 2]),
        ([3.0, 1.0, 1.0], 0.5, [0, 0, 1]),
        ([], 0.5, []),
    ],
)
def test_dots_that_would_hide_each_other_are_stacked(values: list, apart: float, levels: list) -> None:
    assert stacked(values, apart) == levels


def test_two_runs_have_no_interval() -> None:
    text = svg_text(draw_norm_seeds({"BN": {0: 0.8, 1: 0.81}}, {}, "test", ABOUT, norm_styles(["BN"])))
    assert "80.50, n = 2" in text
    assert "[" not in text
    assert "fewer than 3 runs" in text
