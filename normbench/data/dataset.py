"""A data set in memory: two splits of uint8 images with their labels, the class names, and a fingerprint of it all."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from normbench.data.normalization import Normalization
from normbench.errors import DataError


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
    """What reading a source gives. All images have one shape, and a label is the index of a class name."""

    train: Split
    test: Split
    class_names: tuple[str, ...]


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

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        channels, height, width = self.train.images.shape[1:]
        return channels, height, width


def fingerprint(raw: RawData) -> str:
    """sha256 (hex) over shapes, class names, images and labels of both splits: equal means the same data, in order."""
    splits = (raw.train, raw.test)
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
    generator = torch.Generator().manual_seed(seed)
    held = torch.zeros(len(train), dtype=torch.bool)
    for label in classes:
        members = torch.nonzero(train.labels == label).flatten()
        held[members[torch.randperm(len(members), generator=generator)[:share]]] = True
    return _select(train, ~held), _select(train, held)


def _select(split: Split, chosen: Tensor) -> Split:
    indices = torch.nonzero(chosen).flatten()
    return Split(split.images.index_select(0, indices), split.labels.index_select(0, indices))
