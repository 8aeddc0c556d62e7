"""A data set in memory: two splits of uint8 images with their labels, the class names, and a fingerprint of it all."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from normbench.data.normalization import CIFAR10_CONSTANTS, Normalization
from normbench.errors import DataError

VAL_SHARE = 10
"""A tenth of the training images is held out for validation: 5,000 of CIFAR-10."""


@dataclass(frozen=True)
class Split:
    """Images uint8 [N, C, H, W] (C-contiguous) and their labels: classes int64 [N].

    A split that is trained on with mixed images has probabilities float32 [N, classes] for labels.
    """

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return self.labels.shape[0]


@dataclass(frozen=True)
class RawData:
    """What reading a source gives. All images have one shape, and a label is the index of a class name.

    Where a source has no `test`, a share of `train` is held out for it. `val` is only there where a source has one
    beside `test`.
    """

    train: Split
    test: Split | None
    class_names: tuple[str, ...]
    val: Split | None = None

    @property
    def splits(self) -> dict[str, Split]:
        """By name, those that are there."""
        found = {"train": self.train, "test": self.test, "val": self.val}
        return {name: split for name, split in found.items() if split is not None}


@dataclass(frozen=True)
class Dataset:
    """The splits of one source, with images of one shape.

    `name` is what tables and figures call the data. `fingerprint` is the function of that name, applied to its content.
    """

    source: str
    name: str
    class_names: tuple[str, ...]
    train: Split
    test: Split
    normalization: Normalization
    fingerprint: str
    val: Split | None = None
    """Images to choose settings on, where the source has them beside `train` and `test`."""
    held_out: float | None = None
    """The share of the source's training images that `test` was made of; None where the source has a test split."""

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        channels, height, width = self.train.images.shape[1:]
        return channels, height, width

    @property
    def inputs_id(self) -> str:
        """Equal for the same images with the same constants. With CIFAR-10's constants it is the fingerprint."""
        if self.normalization == CIFAR10_CONSTANTS:
            return self.fingerprint
        return hashlib.sha256(f"{self.fingerprint} {self.normalization}".encode()).hexdigest()

    @property
    def num_held_out(self) -> int:
        """Training images that `train_and_val` takes for val: none where the data have their own."""
        return 0 if self.val is not None else len(self.train) // VAL_SHARE

    @property
    def num_val(self) -> int:
        return self.num_held_out if self.val is None else len(self.val)

    def train_and_val(self) -> tuple[Split, Split]:
        """The images to train on and those to choose settings on: the data's own val split, or a share of `train`."""
        if self.val is not None:
            return self.train, self.val
        return hold_out(self.train, self.num_held_out)


def fingerprint(raw: RawData) -> str:
    """sha256 (hex) over shapes, class names, images and labels of all splits: equal means the same data, in order."""
    splits = raw.splits.values()
    shapes = [list(t.shape) for split in splits for t in (split.images, split.labels)]
    digest = hashlib.sha256(json.dumps([shapes, list(raw.class_names)]).encode())
    for split in splits:
        for tensor in (split.images, split.labels):
            array: NDArray[Any] = tensor.contiguous().numpy()
            digest.update(array.data)
    return digest.hexdigest()


def hold_out(train: Split, num_images: int = 5000, seed: int = 0) -> tuple[Split, Split]:
    """Split off a validation set with the same number of images of each class: (rest of train, val).

    Settings are chosen on val, never on the test set. Both parts keep the order of `train`. `num_images` is rounded
    down to a multiple of the number of classes. The draw depends on the labels and `seed` only. Raises DataError when a
    class has too few images to give its share and keep one.
    """
    classes, counts = torch.unique(train.labels, return_counts=True)
    share = num_images // max(len(classes), 1)
    smallest = int(counts.min()) if len(counts) else 0
    if share < 1 or smallest <= share:
        raise DataError(
            f"cannot hold out {num_images:,} training images for validation: that takes {share:,} of each of the "
            f"{len(classes)} classes, and the smallest has {smallest:,}; at least {max(share, 1) + 1:,} are needed "
            "(data.evaluate_on: test needs none but for the schedule plateau)"
        )
    return _drawn(train, [share] * len(classes), seed)


def hold_out_share(train: Split, share: float, seed: int = 0) -> tuple[Split, Split]:
    """Split off `share` of each class: (rest of train, held out). Both keep the order of `train`.

    Of each class at least one image is held out and one is kept. The draw depends on the labels and `seed` only. Raises
    DataError for a class with fewer than two images.
    """
    _, counts = torch.unique(train.labels, return_counts=True)
    smallest = int(counts.min()) if len(counts) else 0
    if smallest < 2:
        raise DataError(
            "there is no test split, and of a class with a single image none can be held out for it: add images, or a "
            "folder of test images"
        )
    return _drawn(train, [min(max(round(share * count), 1), count - 1) for count in counts.tolist()], seed)


def _drawn(train: Split, numbers: Sequence[int], seed: int) -> tuple[Split, Split]:
    """Splits off `numbers` images of the classes that occur, in the order of their labels."""
    generator = torch.Generator().manual_seed(seed)
    held = torch.zeros(len(train), dtype=torch.bool)
    for label, number in zip(torch.unique(train.labels), numbers, strict=True):
        members = torch.nonzero(train.labels == label).flatten()
        held[members[torch.randperm(len(members), generator=generator)[:number]]] = True
    return _select(train, ~held), _select(train, held)


def _select(split: Split, chosen: Tensor) -> Split:
    indices = torch.nonzero(chosen).flatten()
    return Split(split.images.index_select(0, indices), split.labels.index_select(0, indices))
