"""What every data source hands over: two splits of uint8 images with their labels, and the names of the classes."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from torch import Tensor

Say = Callable[[str], None]


@dataclass(frozen=True)
class Split:
    """Images uint8 [N, 3, H, W] (C-contiguous) and their labels int64 [N]."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return self.labels.shape[0]


@dataclass(frozen=True)
class Dataset:
    """A data set in memory. `fingerprint` is the sha256 (hex) of the images, labels and class names of both splits."""

    source: str
    class_names: tuple[str, ...]
    train: Split
    test: Split
    fingerprint: str


RawData = tuple[Split, Split, tuple[str, ...]]
"""(train, test, class names): what a source reads and `synthetic` makes."""


@dataclass(frozen=True)
class Request:
    """What a source may need to find its input.

    `dir` is the place the user named and `dir_given_by` how (for messages); `downloads` the folder downloads go to;
    `bar` whether a progress bar may be drawn on stderr (otherwise progress is said in plain lines).
    """

    dir: Path | None
    dir_given_by: str
    urls: tuple[str, ...]
    downloads: Path
    say: Say
    bar: bool


@dataclass(frozen=True)
class Found:
    """An input that was found, not read yet: `read` is called only when the cache does not hold it.

    `slot` names its file in the cache; `identity` finds out which content that file must have been made from.
    """

    slot: str
    identity: Callable[[], str]
    read: Callable[[], RawData]


SourceLoader = Callable[[Request], Found]


def fingerprint(train: Split, test: Split, class_names: tuple[str, ...]) -> str:
    """sha256 (hex) over shapes, class names, images and labels of both splits: equal means the same data, in order."""
    shapes = [list(t.shape) for split in (train, test) for t in (split.images, split.labels)]
    digest = hashlib.sha256(json.dumps([shapes, list(class_names)]).encode())
    for split in (train, test):
        for tensor in (split.images, split.labels):
            array: NDArray[Any] = tensor.contiguous().numpy()
            digest.update(array.data)
    return digest.hexdigest()
