"""Every seed as a dot: what is written on the figure."""

from pathlib import Path

from normbench.plots.norm_seeds import draw_norm_seeds
from normbench.plots.style import norm_styles
from tests.svg import svg_text

ABOUT = "folder data, 500 test images, 3 epochs"


def test_seeds_have_mean_interval_and_n_and_diverged_runs_are_counted(tmp_path: Path) -> None:
    accuracies = {"BN": {0: 0.80, 1: 0.801, 2: 0.802}, "LN": {0: 0.7}, "IN": {}}
    diverged = {"LN": 1, "IN": 2}
    text = svg_text(draw_norm_seeds(accuracies, diverged, "test", ABOUT, norm_styles(list(accuracies)), tmp_path / "s"))
    # 80.0, 80.1, 80.2: mean 80.1, std 0.1, t(2, 0.975) = 4.303: 0.248 to either side
    for part in ("80.10 [79.85, 80.35], n = 3", "70.00, n = 1, 1 diverged", "no finished run, 2 diverged"):
        assert part in text
    assert "same seed" not in text


def test_runs_of_one_seed_are_joined_where_seeds_pair(tmp_path: Path) -> None:
    pairs = {"BN": {0: 0.8, 1: 0.81}, "GN": {0: 0.7, 1: 0.72}}
    assert "same seed" in svg_text(draw_norm_seeds(pairs, {}, "test", ABOUT, norm_styles(list(pairs)), tmp_path / "a"))
    others = {"BN": {0: 0.8, 1: 0.81}, "GN": {2: 0.7, 3: 0.72}}
    assert "same seed" not in svg_text(
        draw_norm_seeds(others, {}, "test", ABOUT, norm_styles(list(others)), tmp_path / "b")
    )


def test_all_diverged_is_a_figure_that_says_so(tmp_path: Path) -> None:
    text = svg_text(draw_norm_seeds({"BN": {}}, {"BN": 3}, "test", ABOUT, norm_styles(["BN"]), tmp_path / "s"))
    assert "no finished run, 3 diverged" in text
