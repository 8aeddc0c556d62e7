"""Images on which two norms disagree: which are shown, and with what text."""

import numpy as np

from normbench.plots.disagreement import NormPredictions, draw_disagreement
from normbench.plots.layout import Layout
from tests.svg import svg_text

ABOUT = "folder data, 500 test images, 3 epochs"
ODD = ("cat", "$dog$ & <b>", "a very long name of a class")


def test_disagreement_shows_both_directions_with_counts() -> None:
    labels = np.array([0, 0, 1, 1])
    images = np.zeros((4, 3, 32, 32), dtype=np.uint8)
    one = NormPredictions("BN", np.array([[0, 0, 1, 0], [0, 0, 1, 0], [0, 2, 1, 0]]), np.zeros(4))
    other = NormPredictions("$GN$", np.array([[0, 2, 1, 1]]), np.zeros(4))
    text = svg_text(draw_disagreement(images, labels, one, other, ODD, ABOUT))
    for part in ("BN right, $GN$ wrong: 1 of 4 images (all shown)", "BN 2/3", "$GN$ 0/1: a very long name…"):
        assert part in text
    for part in ("$GN$ right, BN wrong: 1 of 4 images (all shown)", "$GN$ 1/1", "BN 0/3: cat", "$dog$ & <b>"):
        assert part in text
    assert "two runs of the same norm disagree" in " ".join(text.split())


def test_norms_that_agree_have_a_figure_without_images() -> None:
    labels, images = np.array([0, 1]), np.zeros((2, 3, 32, 32), dtype=np.uint8)
    norms = [NormPredictions(label, labels[None], np.zeros(2)) for label in ("BN", "GN")]
    text = svg_text(draw_disagreement(images, labels, *norms, ["a", "b"], ABOUT))
    assert "BN right, GN wrong: 0 of 2 images" in text


def test_the_strongest_disagreements_are_shown_as_they_are() -> None:
    count = 40
    labels = np.zeros(count, dtype=np.int64)
    images = np.broadcast_to(np.arange(count, dtype=np.uint8)[:, None, None, None], (count, 3, 32, 32))
    one = NormPredictions("BN", np.zeros((1, count), dtype=np.int64), np.linspace(0, 1, count))
    other = NormPredictions("GN", np.ones((1, count), dtype=np.int64), np.zeros(count))
    figure = draw_disagreement(images, labels, one, other, ["a", "b"], ABOUT)
    text = svg_text(figure)
    assert "40 of 40 images (the 16 strongest shown)" in text
    assert text.count("BN 1/1") == 16
    assert "GN right, BN wrong: 0 of 40 images" in text
    shown = {int(axes.images[0].get_array()[0, 0, 0]) for axes in figure.axes if axes.images}
    assert shown == set(range(24, 40))  # the 16 of the largest margin, each in its own grey


def test_a_narrow_page_shows_fewer_images_and_still_says_what_the_words_mean() -> None:
    images, labels = np.zeros((40, 3, 8, 8), dtype=np.uint8), np.zeros(40, dtype=np.int64)
    one = NormPredictions("BN", np.zeros((1, 40), dtype=np.int64), np.ones(40))
    other = NormPredictions("GN", np.ones((1, 40), dtype=np.int64), np.zeros(40))
    layout = Layout(width=3.3, title=False)
    text = svg_text(draw_disagreement(images, labels, one, other, ["a", "b"], ABOUT, layout))
    assert text.count("BN 1/1") == 6
    assert "the 6 strongest shown" in " ".join(text.split())
    assert "Above each image: its true class" in text
    assert ABOUT not in text
