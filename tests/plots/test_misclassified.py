"""The grid of misclassified images."""

import numpy as np
import pytest

from normbench.plots.layout import OWN, Layout
from normbench.plots.misclassified import choose_mistakes, draw_misclassified, mistakes
from tests.svg import svg_text

CLASSES = ("cat", "dog", "$ship$")


def wrong_images(count: int, num_wrong: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images of one grey each, all cats; the first `num_wrong` are taken for dogs, the later the surer."""
    images = np.broadcast_to(np.arange(count, dtype=np.uint8)[:, None, None, None], (count, 3, 32, 32))
    logits = np.zeros((count, 3), dtype=np.float16)
    logits[:, 0] = 1
    logits[:num_wrong, 1] = 2 + np.arange(num_wrong) / 10
    return images, np.zeros(count, dtype=np.int64), logits


def test_mistakes_against_the_softmax() -> None:
    _, labels, logits = wrong_images(6, 3)
    wrong, predicted, confidence = mistakes(labels, logits)
    assert wrong.tolist() == [0, 1, 2]
    assert predicted.tolist() == [1, 1, 1, 0, 0, 0]
    probabilities = np.exp(logits.astype(float)) / np.exp(logits.astype(float)).sum(axis=1, keepdims=True)
    assert confidence == pytest.approx(probabilities.max(axis=1))


def test_large_logits_do_not_overflow() -> None:
    _, _, confidence = mistakes(np.array([0]), np.array([[6e4, -6e4]], dtype=np.float16))
    assert confidence == pytest.approx([1.0])


@pytest.mark.parametrize(
    ("num_wrong", "cells", "said"),
    [
        (30, 10, "30 of 40 images misclassified (10 drawn at random)"),
        (7, 7, "7 of 40 images misclassified (all shown)"),
        (0, 0, "no mistakes"),
    ],
)
def test_the_grid_shows_images_as_they_are(num_wrong: int, cells: int, said: str) -> None:
    images, labels, logits = wrong_images(40, num_wrong)
    figure = draw_misclassified(images, labels, logits, CLASSES, "GN(4)")
    text = svg_text(figure)
    assert said in text
    assert ("Above each image: its true class | the class predicted" in text) == (num_wrong > 0)
    shown = [axes.images[0] for axes in figure.axes if axes.images]
    assert len(shown) == cells
    for image, axes in zip(shown, figure.axes, strict=False):
        number = int(image.get_array()[0, 0, 0])
        assert number < num_wrong
        assert image.get_array().dtype == np.uint8
        confidence = np.exp(logits[number, 1], dtype=float) / np.exp(logits[number].astype(float)).sum()
        assert axes.get_title() == f"cat | dog ({confidence:.0%})"


def test_the_size_of_the_grid_can_be_set_and_a_narrow_page_keeps_the_number_of_images() -> None:
    images, labels, logits = wrong_images(40, 30)
    figure = draw_misclassified(images, labels, logits, CLASSES, "GN(4)", rows=3, columns=2)
    assert len(figure.axes) == 6
    narrow = draw_misclassified(images, labels, logits, CLASSES, "GN(4)", layout=Layout(width=3.3))
    assert sum(bool(axes.images) for axes in narrow.axes) == 10


@pytest.mark.parametrize("layout", [OWN, Layout(width=3.3)])
def test_long_names_stay_within_their_cell(layout: Layout) -> None:
    images, labels, logits = wrong_images(12, 10)
    names = ("a long name of a class", "an even longer name of a class", "c")
    figure = draw_misclassified(images, labels, logits, names, "GN(4)", layout=layout)
    figure.draw_without_rendering()
    cells = [axes for axes in figure.axes if axes.images]
    columns = cells[0].get_subplotspec().get_gridspec().ncols
    for axes in cells:
        assert axes.title.get_window_extent().width < figure.bbox.width / columns


def test_a_random_choice_is_the_seeds() -> None:
    wrong, confidence = np.arange(100), np.zeros(100)
    first = choose_mistakes(wrong, confidence, 10, "random", 0)
    assert first.tolist() == choose_mistakes(wrong, confidence, 10, "random", 0).tolist()
    assert first.tolist() != choose_mistakes(wrong, confidence, 10, "random", 1).tolist()
    assert len(set(first.tolist())) == 10


def test_the_most_confident_mistakes_come_first() -> None:
    _, labels, logits = wrong_images(20, 15)
    wrong, _, confidence = mistakes(labels, logits)
    assert choose_mistakes(wrong, confidence, 3, "confident", 0).tolist() == [14, 13, 12]
