"""Further test images: found beside their labels, checked by their headers, read one file at a time."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from normbench.data.also_test import find_also_test
from normbench.data.dataset import Dataset, RawData, fingerprint
from normbench.data.normalization import CIFAR10_CONSTANTS
from normbench.errors import DataError
from tests.tiny_splits import make_raw

RAW: RawData = make_raw()
DATASET = Dataset("folder", "tiny", RAW.class_names, RAW.train, RAW.test, CIFAR10_CONSTANTS, fingerprint(RAW))
IMAGES = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
LABELS = np.array([0, 1, 1, 0], np.uint8)


def written(folder: Path, **arrays: Any) -> Path:
    folder.mkdir(exist_ok=True)
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    return folder


def test_a_pair_is_called_after_its_files(tmp_path: Path) -> None:
    for name in ("cifar10.1_v4", "cifar10.1_v6"):
        np.save(tmp_path / f"{name}_data.npy", IMAGES)
        np.save(tmp_path / f"{name}_labels.npy", LABELS.astype(np.int32)[:, None])
    with pytest.raises(DataError, match=r"several sets, cifar10.1_v4_data.npy, cifar10.1_v6_data.npy: name one"):
        find_also_test(tmp_path, DATASET)
    found = find_also_test(tmp_path / "cifar10.1_v6_data.npy", DATASET)
    assert found.name == "cifar10.1_v6"
    ((corruption, split),) = found.splits(2)
    assert corruption == ""
    assert np.array_equal(split.images.numpy(), IMAGES.transpose(0, 3, 1, 2))
    assert split.labels.tolist() == LABELS.tolist()


def test_a_folder_has_a_file_for_each_corruption(tmp_path: Path) -> None:
    place = written(tmp_path / "CIFAR-10-C", labels=LABELS, fog=IMAGES, snow=IMAGES[::-1])
    found = find_also_test(place, DATASET)
    assert (found.name, list(found.images)) == ("CIFAR-10-C", ["fog", "snow"])
    assert [split.images[0, 0, 0, 0].item() for _, split in found.splits(2)] == [
        IMAGES[0, 0, 0, 0],
        IMAGES[-1, 0, 0, 0],
    ]


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "nothing": ({}, "no images with labels"),
    "no labels": ({"fog": IMAGES}, "no images with labels"),
    "no images": ({"labels": LABELS}, "no images beside labels.npy"),
    "another size": ({"labels": LABELS, "fog": IMAGES[:, :16]}, r"fog.npy: images of \[3, 16, 32\].* \[3, 32, 32\]"),
    "grey": ({"labels": LABELS, "fog": IMAGES[..., 0]}, r"fog.npy: images of \[1, 32, 32\]"),
    "fractions": ({"labels": LABELS, "fog": IMAGES / 255}, "fog.npy: the images are float64"),
    "fewer images": ({"labels": LABELS, "fog": IMAGES[1:]}, "fog.npy: 3 images, and .*labels.npy has 4 labels"),
    "a class too many": ({"labels": LABELS + 1, "fog": IMAGES}, "labels.npy: expected whole numbers from 0 to 1"),
    "names": ({"labels": np.array(["a", "b"] * 2), "fog": IMAGES}, "labels.npy: expected whole numbers"),
    "objects": ({"labels": LABELS.astype(object), "fog": IMAGES}, "labels.npy: holds Python objects"),
    "a number": ({"labels": np.uint8(3), "fog": IMAGES}, "labels.npy: the labels are"),
}


@pytest.mark.parametrize(("arrays", "complaint"), BAD.values(), ids=list(BAD))
def test_what_is_wrong_is_named_before_training(arrays: dict[str, Any], complaint: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=complaint) as caught:
        find_also_test(written(tmp_path / "set", **arrays), DATASET)
    assert str(tmp_path / "set") in str(caught.value)


def test_a_place_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"data.also_test\): nothing is there"):
        find_also_test(tmp_path / "nowhere", DATASET)
