"""The figures of a comparison: what is written on them, in both formats, and which images and numbers they hold."""

import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from normbench.analysis.stats.confusion import confusion_rates, right_against_wrong, truth_probability
from normbench.analysis.stats.estimate import mean_interval
from normbench.plots.confusion import draw_confusion
from normbench.plots.disagreement import Predicted, draw_disagreement
from normbench.plots.norm_curves import draw_norm_curves
from normbench.plots.norm_seeds import draw_norm_seeds
from normbench.plots.save import numbered, save_figure, slug, slugs
from normbench.plots.style import norm_styles, spread
from normbench.plots.sweep import axis_scale, draw_sweep

ABOUT = "folder data, 500 test images, 3 epochs"
ODD = ("cat", "$dog$ & <b>", "a very long name of a class")


def text_of(paths: list[Path]) -> str:
    """All text in the SVG; the PNG beside it must be a whole picture."""
    png, svg = paths
    with Image.open(png) as image:
        image.load()
        assert image.width > 500
    root = ET.parse(svg).getroot()  # noqa: S314  (just drawn by us)
    return "\n".join("".join(text.itertext()) for text in root.iter("{http://www.w3.org/2000/svg}text"))


def run(level: float, epochs: int = 3, split: str = "test") -> list[dict[str, float]]:
    names = ("train_accuracy", "train_loss", f"{split}_accuracy", f"{split}_loss")
    return [{"epoch": e, **dict.fromkeys(names, level * e / epochs)} for e in range(1, epochs + 1)]


def test_curves_name_norms_n_units_and_data(tmp_path: Path) -> None:
    runs = {"BN": [run(0.8), run(0.9)], "GN($4$)": [run(0.7)]}
    text = text_of(draw_norm_curves(runs, "test", ABOUT, norm_styles(list(runs)), tmp_path / "curves"))
    for part in ("BN, n = 2", "GN($4$), n = 1", "Test accuracy (%)", "Train loss (mean cross-entropy)", "Epoch"):
        assert part in text
    assert "500 test images" in text
    assert "95 % t interval" in text
    assert "a single run, no interval" in text


def test_curves_of_single_runs_claim_no_interval(tmp_path: Path) -> None:
    runs = {"BN": [run(0.8, split="val")]}
    text = text_of(draw_norm_curves(runs, "val", ABOUT, norm_styles(["BN"]), tmp_path / "curves"))
    assert "Val accuracy (%)" in text
    assert "interval of that mean" not in text


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_curves_leave_out_epochs_without_a_finite_loss(value: float, tmp_path: Path) -> None:
    broken = run(0.8)
    broken[1]["test_loss"] = value
    runs = {"BN": [run(0.8), broken], "LN": [broken]}
    assert "LN, n = 1" in text_of(draw_norm_curves(runs, "test", ABOUT, norm_styles(["BN", "LN"]), tmp_path / "c"))


def test_one_epoch_can_be_drawn(tmp_path: Path) -> None:
    assert text_of(draw_norm_curves({"BN": [run(0.8, 1)]}, "test", ABOUT, norm_styles(["BN"]), tmp_path / "c"))


def test_seeds_have_mean_interval_and_n_and_diverged_runs_are_counted(tmp_path: Path) -> None:
    accuracies = {"BN": {0: 0.80, 1: 0.801, 2: 0.802}, "LN": {0: 0.7}, "IN": {}}
    diverged = {"LN": 1, "IN": 2}
    text = text_of(draw_norm_seeds(accuracies, diverged, "test", ABOUT, norm_styles(list(accuracies)), tmp_path / "s"))
    # 80.0, 80.1, 80.2: mean 80.1, std 0.1, t(2, 0.975) = 4.303: 0.248 to either side
    for part in ("80.10 [79.85, 80.35], n = 3", "70.00, n = 1, 1 diverged", "no finished run, 2 diverged"):
        assert part in text
    assert "same seed" not in text


def test_runs_of_one_seed_are_joined_where_seeds_pair(tmp_path: Path) -> None:
    pairs = {"BN": {0: 0.8, 1: 0.81}, "GN": {0: 0.7, 1: 0.72}}
    assert "same seed" in text_of(draw_norm_seeds(pairs, {}, "test", ABOUT, norm_styles(list(pairs)), tmp_path / "a"))
    others = {"BN": {0: 0.8, 1: 0.81}, "GN": {2: 0.7, 3: 0.72}}
    assert "same seed" not in text_of(
        draw_norm_seeds(others, {}, "test", ABOUT, norm_styles(list(others)), tmp_path / "b")
    )


def test_all_diverged_is_a_figure_that_says_so(tmp_path: Path) -> None:
    text = text_of(draw_norm_seeds({"BN": {}}, {"BN": 3}, "test", ABOUT, norm_styles(["BN"]), tmp_path / "s"))
    assert "no finished run, 3 diverged" in text


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
    text = text_of(
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
    text = text_of(
        draw_sweep(lines, {}, "norm.num_groups", "test", ABOUT, norm_styles(list(lines)), tmp_path / "sweep")
    )
    assert "Level line: BN without norm.num_groups." in text
    assert "BN, n = 2" in text
    assert "not set" not in text


def test_text_and_missing_values_are_categories(tmp_path: Path) -> None:
    one = mean_interval([0.8])
    lines = {"BN": [("$sgd$", one), (None, one)]}
    text = text_of(draw_sweep(lines, {}, "train.x", "test", ABOUT, norm_styles(["BN"]), tmp_path / "sweep"))
    assert "$sgd$" in text
    assert "not set" in text


def test_confusion_rates_by_hand() -> None:
    labels, predicted = np.array([0, 0, 1, 1]), np.array([[0, 1, 1, 1], [0, 0, 1, 0]])
    rates = confusion_rates(labels, predicted, 3)
    assert rates[:2].tolist() == [[0.75, 0.25, 0.0], [0.25, 0.75, 0.0]]
    assert np.isnan(rates[2]).all()


def test_the_confusion_matrix_holds_its_numbers_and_signed_differences(tmp_path: Path) -> None:
    rates = np.array([[0.9, 0.1, 0.0], [0.25, 0.75, 0.0], [np.nan] * 3])
    base = np.array([[0.8, 0.2, 0.0], [0.25, 0.75, 0.0], [np.nan] * 3])
    paths = draw_confusion(rates, 5, "GN(4)", ODD, ABOUT, tmp_path / "confusion", (base, 3, "BN"))
    text = text_of(paths).splitlines()
    for part in ("90.0", "75.0", "+10.0", "−10.0", "$dog$ & <b>", "a very long n…", "True class", "Predicted class"):
        assert part in text
    assert "GN(4) − BN (n = 5 and 3): points" in text
    assert "nan" not in "".join(text)
    assert text.count("0.0") == 6  # two shares and four differences, these without a sign


def test_one_norms_confusion_matrix_has_no_difference(tmp_path: Path) -> None:
    text = text_of(draw_confusion(np.eye(2), 1, "BN", ["a", "b"], ABOUT, tmp_path / "confusion"))
    assert "BN, n = 1: share of each true class (%)" in text
    assert "ifference" not in text


def test_right_against_wrong_by_hand() -> None:
    # images: 0 both right, 1 strongest, 2 weaker, 3 a tie within the other norm, 4 as strong as 1
    right = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 1, 1], [1, 1, 0, 1, 1]], dtype=bool)
    other = np.array([[1, 0, 0, 1, 0], [1, 0, 0, 0, 0]], dtype=bool)
    assert right_against_wrong(right, other).tolist() == [1, 4, 2]
    assert right_against_wrong(right, other, np.array([0, 0.1, 0.9, 0, 0.2])).tolist() == [4, 1, 2]
    assert right_against_wrong(other, right).tolist() == []


def test_half_of_the_seeds_is_neither_right_nor_wrong() -> None:
    half, none = np.array([[True], [False]]), np.array([[False], [False]])
    assert right_against_wrong(half, none).tolist() == []
    assert right_against_wrong(~none, half).tolist() == []


def test_truth_probability_is_the_softmax_of_the_truth() -> None:
    logits = np.array([[1, 2], [6e4, -6e4]], dtype=np.float16)
    expected = [np.e / (np.e + np.e**2), 0.0]
    assert truth_probability(logits, np.array([0, 1])) == pytest.approx(expected)


def test_disagreement_shows_both_directions_with_counts(tmp_path: Path) -> None:
    labels = np.array([0, 0, 1, 1])
    images = np.zeros((4, 3, 32, 32), dtype=np.uint8)
    one = Predicted("BN", np.array([[0, 0, 1, 0], [0, 0, 1, 0], [0, 2, 1, 0]]), np.zeros(4))
    other = Predicted("$GN$", np.array([[0, 2, 1, 1]]), np.zeros(4))
    text = text_of(draw_disagreement(images, labels, one, other, ODD, ABOUT, tmp_path / "d"))
    for part in ("BN right, $GN$ wrong: 1 of 4 images (all shown)", "BN 2/3", "$GN$ 0/1: a very long name of a class"):
        assert part in text
    for part in ("$GN$ right, BN wrong: 1 of 4 images (all shown)", "$GN$ 1/1", "BN 0/3: cat", "$dog$ & <b>"):
        assert part in text
    assert "two runs of the same norm disagree" in " ".join(text.split())


def test_the_strongest_disagreements_are_shown_as_they_are(tmp_path: Path) -> None:
    count = 40
    labels = np.zeros(count, dtype=np.int64)
    images = np.broadcast_to(np.arange(count, dtype=np.uint8)[:, None, None, None], (count, 3, 32, 32))
    one = Predicted("BN", np.zeros((1, count), dtype=np.int64), np.linspace(0, 1, count))
    other = Predicted("GN", np.ones((1, count), dtype=np.int64), np.zeros(count))
    text = text_of(draw_disagreement(images, labels, one, other, ["a", "b"], ABOUT, tmp_path / "d"))
    assert "40 of 40 images (the 16 strongest shown)" in text
    assert text.count("BN 1/1") == 16
    assert "GN right, BN wrong: 0 of 40 images" in text
    with Image.open(tmp_path / "d.png") as picture:
        greys = {grey for grey in np.unique(np.asarray(picture.convert("RGB"))) if grey < count}
    assert set(range(24, 40)) <= greys  # the 16 of the largest margin, each in its own grey


def test_the_same_svg_twice_and_no_date_in_it(tmp_path: Path) -> None:
    runs = {"BN": [run(0.8), run(0.9)]}
    for name in ("one", "two"):
        draw_norm_curves(runs, "test", ABOUT, norm_styles(["BN"]), tmp_path / name)
    first = (tmp_path / "one.svg").read_bytes()
    assert first == (tmp_path / "two.svg").read_bytes()
    assert b"dc:date" not in first
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.png", "one.svg", "two.png", "two.svg"]


def test_a_stem_may_hold_dots(tmp_path: Path) -> None:
    from matplotlib.figure import Figure

    written = save_figure(Figure(), tmp_path / "sweep-train.lr")
    assert [path.name for path in written] == ["sweep-train.lr.png", "sweep-train.lr.svg"]


def test_every_norm_of_a_long_list_has_its_own_look() -> None:
    styles = norm_styles([f"norm {i}" for i in range(28)])
    assert len({(style.color, style.line) for style in styles.values()}) == 28
    first = list(norm_styles(["BN", "GN", "LN"]).values())
    assert all(len({getattr(style, part) for style in first}) == 3 for part in ("color", "line", "marker"))


def test_spread_moves_as_little_as_can_be() -> None:
    assert spread([0.5, 0.1], 0.1) == [0.5, 0.1]
    assert spread([0.5, 0.5], 0.1) == pytest.approx([0.45, 0.55])
    assert spread([1.0, 0.99], 0.1) == pytest.approx([1.0, 0.9])
    assert spread([0.0, 0.02, 0.9], 0.2) == pytest.approx([0.0, 0.2, 0.9])
    assert spread([], 0.1) == []


def test_names_of_files_are_unique_and_plain() -> None:
    assert slugs(["GN(4)", "GN 4", "LN", "<>"]) == {"GN(4)": "gn-4", "GN 4": "gn-4-2", "LN": "ln", "<>": "norm"}
    assert slug("train.batch_size") == "train-batch-size"
    assert numbered(["BN", "BN", "LN"]) == ["BN", "BN 2", "LN"]
