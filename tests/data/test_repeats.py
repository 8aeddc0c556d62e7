"""Images that stand in a data set more than once."""

import logging
from pathlib import Path

import pytest
import torch

from normbench.data.dataset import Dataset, Split
from normbench.data.normalization import CIFAR10_CONSTANTS
from normbench.data.repeats import check_repeats, count_shared
from normbench.errors import DataError

NUM = 200


def dataset(shared: int, *, another_class: bool = False) -> Dataset:
    """NUM training and NUM test images, of which the first `shared` are the same."""
    images = torch.arange(2 * NUM).view(-1, 1, 1, 1).expand(-1, 3, 32, 32)
    pixels = torch.where(torch.arange(32) < 16, images % 256, images // 256).to(torch.uint8)
    train, test = pixels[:NUM], torch.cat([pixels[:shared], pixels[NUM + shared :]])
    labels = torch.zeros(NUM, dtype=torch.int64)
    return Dataset(
        "folder", "two", ("a", "b"), Split(train, labels), Split(test, labels + another_class), CIFAR10_CONSTANTS, ""
    )


def notes(data: Dataset, caplog: pytest.LogCaptureFixture) -> list[tuple[int, str]]:
    caplog.set_level(logging.INFO, "normbench")
    check_repeats(data, Path("here"))
    return [(line.levelno, line.message) for line in caplog.records]


def test_shared_images_are_counted() -> None:
    for shared in (0, 1, NUM):
        data = dataset(shared)
        assert count_shared(data.train, data.test) == shared


@pytest.mark.parametrize(("shared", "level", "share"), [(1, logging.INFO, "1 of 200"), (20, logging.WARNING, "10.0")])
def test_shared_images_are_said_with_their_share(
    shared: int, level: int, share: str, caplog: pytest.LogCaptureFixture
) -> None:
    ((found, text),) = notes(dataset(shared), caplog)
    assert found == level
    assert share in text


def test_nothing_is_said_without_repeats(caplog: pytest.LogCaptureFixture) -> None:
    assert notes(dataset(0), caplog) == []


def test_an_image_of_two_classes_is_said(caplog: pytest.LogCaptureFixture) -> None:
    _, (level, text) = notes(dataset(3, another_class=True), caplog)
    assert level == logging.WARNING
    assert "6 of 400" in text
    assert "more than one class" in text


@pytest.mark.parametrize("shared", [NUM, NUM - 5])
def test_a_test_of_training_images_is_refused(shared: int) -> None:
    with pytest.raises(DataError, match=rf"here: {shared} of 200 .*put other images under test"):
        check_repeats(dataset(shared), Path("here"))
