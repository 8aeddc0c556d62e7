"""What is in a data set: images by class and split, repeats, images that show nothing."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from normbench.data.dataset import Dataset, Split
from normbench.data.repeats import image_hashes

FLAT_LEVELS = 2.0
"""An image whose 8-bit values have a smaller standard deviation, over all pixels and channels, shows nothing."""
UNEQUAL = 3.0
"""Classes are unequal if the largest has more than so many times as many training images as the smallest."""
_BLOCK = 4096  # images at a time, as floats


@dataclass(frozen=True)
class Survey:
    """Counts of images. `by_class`: split -> the number of images of each class, in the order of `class_names`.

    `repeated`: split -> images that stand in the split before. `shared`: test images that are training images.
    `ambiguous`: images that stand in more than one class. `flat`: split -> places of images without contrast.
    """

    by_class: Mapping[str, tuple[int, ...]]
    repeated: Mapping[str, int]
    shared: int
    ambiguous: int
    flat: Mapping[str, tuple[int, ...]]


def survey(dataset: Dataset) -> Survey:
    """Looks at every image of a data set."""
    splits = splits_of(dataset)
    hashes = {name: image_hashes(split) for name, split in splits.items()}
    known = set(hashes["train"])
    pairs = {pair for name, split in splits.items() for pair in zip(hashes[name], split.labels.tolist(), strict=True)}
    of_classes = Counter(image for image, _ in pairs)
    return Survey(
        by_class={
            name: tuple(torch.bincount(split.labels, minlength=len(dataset.class_names)).tolist())
            for name, split in splits.items()
        },
        repeated={name: len(found) - len(set(found)) for name, found in hashes.items()},
        shared=sum(image in known for image in hashes["test"]),
        ambiguous=sum(of_classes[image] > 1 for found in hashes.values() for image in found),
        flat={name: tuple(_flat(split)) for name, split in splits.items()},
    )


def splits_of(dataset: Dataset) -> dict[str, Split]:
    """By name, those that are there."""
    found = {"train": dataset.train, "test": dataset.test, "val": dataset.val}
    return {name: split for name, split in found.items() if split is not None}


def imbalance(counts: Sequence[int]) -> float:
    """How many times as many images the largest class has as the smallest that has any."""
    some = [count for count in counts if count]
    return max(some) / min(some) if some else 1.0


def _flat(split: Split) -> list[int]:
    found: list[int] = []
    for start in range(0, len(split), _BLOCK):
        spread = split.images[start : start + _BLOCK].flatten(1).float().std(dim=1, correction=0)
        found += (torch.nonzero(spread < FLAT_LEVELS).flatten() + start).tolist()
    return found
