"""Further test images, as CIFAR-10.1 and CIFAR-10-C have them: .npy arrays of images, and of their labels.

A set like CIFAR-10-C is a folder with `labels.npy` and a file of images for each corruption, all with these labels
(Hendrycks & Dietterich 2019, arXiv:1903.12261). One like CIFAR-10.1 is a pair, `..._data.npy` and `..._labels.npy`
(Recht et al. 2018, arXiv:1806.00451).
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import torch
from torch import Tensor

from normbench.data.dataset import Dataset, Split
from normbench.data.sources.arrays import (
    Header,
    as_images,
    check_images,
    check_labels,
    image_shape,
    read_content,
    read_header,
)
from normbench.data.sources.placed_files import files_at
from normbench.errors import DataError
from normbench.files import open_regular
from normbench.text import listed, printable

LABELS = "labels.npy"
PAIRS = {"data": "labels", "images": "labels", "x": "y"}
"""The last word of the name of a file of images, and that of the file with their labels."""
EXPECTED = "a folder with labels.npy and a file for each corruption, or a pair ..._data.npy and ..._labels.npy"


@dataclass(frozen=True)
class AlsoTest:
    """A further test set whose files have been found. `images` is by corruption; the key is "" where there is none."""

    name: str
    labels: Path
    images: Mapping[str, Path]

    def splits(self, num_classes: int) -> Iterator[tuple[str, Split]]:
        """The images of each corruption with their labels, one after the other: CIFAR-10-C has 3 GB."""
        labels = _labels(self.labels, num_classes)
        for corruption, path in self.images.items():
            with _opened(path) as (file, header):
                yield corruption, Split(as_images(read_content(str(path), file, header)), labels)


def find_also_test(place: Path, dataset: Dataset) -> AlsoTest:
    """The test set at `place`, for networks trained on `dataset`. The labels are indices of the classes of `dataset`.

    Raises DataError for a missing file, and, from the headers, for images of another shape or without labels.
    """
    found = _find(Path(os.path.realpath(place)))
    labels = _labels(found.labels, len(dataset.class_names))
    for path in found.images.values():
        with _opened(path) as (_, header):
            check_images(str(path), header)
            shape = image_shape(header)
            if shape != dataset.image_shape:
                raise DataError(
                    f"{path}: images of {list(shape)}, and the network takes {list(dataset.image_shape)} (channels, "
                    "height, width)"
                )
            if header.shape[0] != len(labels):
                raise DataError(f"{path}: {header.shape[0]:,} images, and {found.labels} has {len(labels):,} labels")
    return found


def _find(place: Path) -> AlsoTest:
    if not os.path.lexists(place):
        raise DataError(f"{place} (from data.also_test): nothing is there; expected {EXPECTED}")
    if (place / LABELS).is_file():
        images = {path.stem: path for path in files_at(place, ".npy") if path.name != LABELS}
        if not images:
            raise DataError(f"{place} (from data.also_test): no images beside {LABELS}; expected {EXPECTED}")
        return AlsoTest(place.name, place / LABELS, images)
    pairs = [pair for path in files_at(place, ".npy") if (pair := _pair(path))]
    if len(pairs) == 1:
        return pairs[0]
    held = printable(listed([str(pair.images[""].name) for pair in pairs]))
    wrong = f"holds several sets, {held}: name one of these files" if pairs else "holds no images with labels"
    raise DataError(f"{place} (from data.also_test): {wrong}; expected {EXPECTED}")


def _pair(images: Path) -> AlsoTest | None:
    """The set of a file of images whose labels are beside it."""
    for word, other in PAIRS.items():
        name = images.stem.removesuffix(word)
        labels = images.with_name(f"{name}{other}.npy")
        if name != images.stem and labels.is_file():
            return AlsoTest(name.rstrip("_-. ") or images.parent.name, labels, {"": images})
    return None


@contextmanager
def _opened(path: Path) -> Iterator[tuple[IO[bytes], Header]]:
    """The open file, at the content of its array, and the array's header."""
    try:
        with open_regular(path) as file:
            yield file, read_header(str(path), file, os.fstat(file.fileno()).st_size)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error


def _labels(path: Path, num_classes: int) -> Tensor:
    """int64 [N], each an index of a class."""
    with _opened(path) as (file, header):
        check_labels(str(path), header, header.shape[0] if header.shape else 0)
        values = read_content(str(path), file, header).ravel()
    if header.dtype.kind == "U" or not len(values) or not 0 <= values.min() <= values.max() < num_classes:
        raise DataError(f"{path}: expected whole numbers from 0 to {num_classes - 1}, one for each class of the data")
    return torch.from_numpy(values.astype("int64"))
