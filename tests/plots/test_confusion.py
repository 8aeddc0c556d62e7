"""Confusion matrices: the numbers on the figure."""

from pathlib import Path

import numpy as np

from normbench.plots.confusion import draw_confusion
from tests.svg import svg_text

ABOUT = "folder data, 500 test images, 3 epochs"
ODD = ("cat", "$dog$ & <b>", "a very long name of a class")


def test_the_confusion_matrix_holds_its_numbers_and_signed_differences(tmp_path: Path) -> None:
    rates = np.array([[0.9, 0.1, 0.0], [0.25, 0.75, 0.0], [np.nan] * 3])
    base = np.array([[0.8, 0.2, 0.0], [0.25, 0.75, 0.0], [np.nan] * 3])
    paths = draw_confusion(rates, 5, "GN(4)", ODD, ABOUT, tmp_path / "confusion", (base, 3, "BN"))
    text = svg_text(paths).splitlines()
    for part in ("90.0", "75.0", "+10.0", "−10.0", "$dog$ & <b>", "a very long n…", "True class", "Predicted class"):
        assert part in text
    assert "GN(4) − BN (n = 5 and 3): points" in text
    assert "nan" not in "".join(text)
    assert text.count("0.0") == 6  # two shares and four differences, these without a sign


def test_one_norms_confusion_matrix_has_no_difference(tmp_path: Path) -> None:
    text = svg_text(draw_confusion(np.eye(2), 1, "BN", ["a", "b"], ABOUT, tmp_path / "confusion"))
    assert "BN, n = 1: share of each true class (%)" in text
    assert "ifference" not in text
