"""Curves and grids: what is on them, and that they are drawn at all."""

import io
from pathlib import Path

import matplotlib.figure
import numpy as np
import pytest
from PIL import Image

from normbench.plots.misclassified import choose_mistakes, grid, mistakes
from normbench.plots.run_curves import curves

CLASSES = ("cat", "dog", "$ship$")


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[matplotlib.figure.Figure]:
    """Collects each figure as it is saved."""
    saved: list[matplotlib.figure.Figure] = []
    save = matplotlib.figure.Figure.savefig

    def keep(figure: matplotlib.figure.Figure, target: io.BytesIO, **options: object) -> None:
        saved.append(figure)
        save(figure, target, **options)

    monkeypatch.setattr(matplotlib.figure.Figure, "savefig", keep)
    return saved


def png_width(path: Path) -> int:
    with Image.open(path) as image:
        image.load()
        return image.width


def epochs(split: str, count: int) -> list[dict[str, float]]:
    return [
        {"epoch": e, "train_loss": 1 / e, f"{split}_loss": 2 / e, "train_accuracy": 0.5, f"{split}_accuracy": e / 10}
        for e in range(1, count + 1)
    ]


@pytest.mark.parametrize(("split", "count"), [("test", 5), ("val", 1)])
def test_curves_show_both_splits(split: str, count: int, figures: list, tmp_path: Path) -> None:
    curves(epochs(split, count), "GN(4) $a$", tmp_path / "curves.png")
    (figure,) = figures
    loss, accuracy = figure.axes
    assert [line.get_label() for line in loss.lines] == ["train", split]
    assert list(accuracy.lines[1].get_ydata()) == pytest.approx([10 * e for e in range(1, count + 1)])
    assert (loss.get_xlabel(), loss.get_ylabel(), accuracy.get_ylabel()) == (
        "Epoch",
        "Loss (mean cross-entropy)",
        "Accuracy (%)",
    )
    assert len({line.get_linestyle() for line in loss.lines}) == 2
    assert png_width(tmp_path / "curves.png") > 1000
    assert [path.name for path in tmp_path.iterdir()] == ["curves.png"]


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
    grid(images, labels, logits, CLASSES, "GN(4)", tmp_path / "grid.png")
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
    grid(images, labels, logits, CLASSES, "GN(4)", tmp_path / "grid.png", rows=3, columns=2)
    assert len(figures[0].axes) == 6


def test_long_names_stay_within_their_cell(figures: list, tmp_path: Path) -> None:
    images, labels, logits = wrong_images(12, 10)
    names = ("a long name of a class", "an even longer name of a class", "c")
    grid(images, labels, logits, names, "GN(4)", tmp_path / "grid.png")
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
