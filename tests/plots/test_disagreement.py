"""Images on which two norms disagree: which are shown, and with what text."""

from pathlib import Path

import numpy as np
from PIL import Image

from normbench.plots.disagreement import NormPredictions, draw_disagreement
from tests.svg import svg_text

ABOUT = "folder data, 500 test images, 3 epochs"
ODD = ("cat", "$dog$ & <b>", "a very long name of a class")


def test_disagreement_shows_both_directions_with_counts(tmp_path: Path) -> None:
    labels = np.array([0, 0, 1, 1])
    images = np.zeros((4, 3, 32, 32), dtype=np.uint8)
    one = NormPredictions("BN", np.array([[0, 0, 1, 0], [0, 0, 1, 0], [0, 2, 1, 0]]), np.zeros(4))
    other = NormPredictions("$GN$", np.array([[0, 2, 1, 1]]), np.zeros(4))
    text = svg_text(draw_disagreement(images, labels, one, other, ODD, ABOUT, tmp_path / "d"))
    for part in ("BN right, $GN$ wrong: 1 of 4 images (all shown)", "BN 2/3", "$GN$ 0/1: a very long name of a class"):
        assert part in text
    for part in ("$GN$ right, BN wrong: 1 of 4 images (all shown)", "$GN$ 1/1", "BN 0/3: cat", "$dog$ & <b>"):
        assert part in text
    assert "two runs of the same norm disagree" in " ".join(text.split())


def test_the_strongest_disagreements_are_shown_as_they_are(tmp_path: Path) -> None:
    count = 40
    labels = np.zeros(count, dtype=np.int64)
    images = np.broadcast_to(np.arange(count, dtype=np.uint8)[:, None, None, None], (count, 3, 32, 32))
    one = NormPredictions("BN", np.zeros((1, count), dtype=np.int64), np.linspace(0, 1, count))
    other = NormPredictions("GN", np.ones((1, count), dtype=np.int64), np.zeros(count))
    text = svg_text(draw_disagreement(images, labels, one, other, ["a", "b"], ABOUT, tmp_path / "d"))
    assert "40 of 40 images (the 16 strongest shown)" in text
    assert text.count("BN 1/1") == 16
    assert "GN right, BN wrong: 0 of 40 images" in text
    with Image.open(tmp_path / "d.png") as picture:
        greys = {grey for grey in np.unique(np.asarray(picture.convert("RGB"))) if grey < count}
    assert set(range(24, 40)) <= greys  # the 16 of the largest margin, each in its own grey
