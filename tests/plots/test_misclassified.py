"""The grid of misclassified images."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from normbench.plots.misclassified import choose_mistakes, draw_misclassified, mistakes

CLASSES = ("cat", "dog", "$ship$")


def png_width(path: Path) -> int:
    with Image.open(path) as image:
        image.load()
        return image.width


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
    ("num_wrong", "cells", "title"),
    [
        (30, 10, "30 of 40 images misclassified (10 drawn at random)"),
        (7, 7, "7 of 40 images misclassified (all shown)"),
        (0, 0, "no image misclassified"),
    ],
)
def test_the_grid_shows_images_as_they_are(
    num_wrong: int, cells: int, title: str, figures: list, tmp_path: Path
) -> None:
    images, labels, logits = wrong_images(40, num_wrong)
    draw_misclassified(images, labels, logits, CLASSES, "GN(4)", tmp_path / "grid.png")
    (figure,) = figures
    assert title in figure.get_suptitle()
    shown = [axes.images[0] for axes in figure.axes if axes.images]
    assert len(shown) == cells
    for image, axes in zip(shown, figure.axes, strict=False):
        number = int(image.get_array()[0, 0, 0])
        assert number < num_wrong
        assert image.get_array().dtype == np.uint8
        assert image.get_interpolation() == "nearest"
        confidence = np.exp(logits[number, 1], dtype=float) / np.exp(logits[number].astype(float)).sum()
        assert axes.get_title() == f"cat | dog ({confidence:.0%})"
    assert png_width(tmp_path / "grid.png") > 1000


def test_the_size_of_the_grid_can_be_set(figures: list, tmp_path: Path) -> None:
    images, labels, logits = wrong_images(40, 30)
    draw_misclassified(images, labels, logits, CLASSES, "GN(4)", tmp_path / "grid.png", rows=3, columns=2)
    assert len(figures[0].axes) == 6


def test_long_names_stay_within_their_cell(figures: list, tmp_path: Path) -> None:
    images, labels, logits = wrong_images(12, 10)
    names = ("a long name of a class", "an even longer name of a class", "c")
    draw_misclassified(images, labels, logits, names, "GN(4)", tmp_path / "grid.png")
    (figure,) = figures
    figure.draw_without_rendering()  # the texts were measured at the resolution of the file
    for axes in figure.axes:
        assert axes.title.get_window_extent().width < 1.05 * axes.get_window_extent().width


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
