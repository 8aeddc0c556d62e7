"""Hold out a part of the training set, for choosing anything: the test set chooses nothing."""

import torch
from torch import Tensor

from normbench.data.types import Split
from normbench.errors import DataError


def hold_out(train: Split, num_images: int = 5000, seed: int = 0) -> tuple[Split, Split]:
    """Hold out the same number of images of each class: (what stays for training, val), both in their old order.

    `num_images` is rounded down to a multiple of the number of classes. The draw depends on the labels and `seed` only.
    Raises DataError when a class has too few images to give its share and keep one.
    """
    classes, counts = torch.unique(train.labels, return_counts=True)
    share = num_images // max(len(classes), 1)
    smallest = int(counts.min()) if len(counts) else 0
    if share < 1 or smallest <= share:
        raise DataError(
            f"cannot hold out {num_images:,} training images for validation: that takes {share:,} of each of the "
            f"{len(classes)} classes, and the smallest has {smallest:,}; at least {max(share, 1) + 1:,} are needed "
            "(data.evaluate_on: test needs none)"
        )
    generator = torch.Generator().manual_seed(seed)
    held = torch.zeros(len(train), dtype=torch.bool)
    for label in classes:
        members = torch.nonzero(train.labels == label).flatten()
        held[members[torch.randperm(len(members), generator=generator)[:share]]] = True
    return _take(train, ~held), _take(train, held)


def _take(split: Split, chosen: Tensor) -> Split:
    indices = torch.nonzero(chosen).flatten()
    return Split(split.images.index_select(0, indices), split.labels.index_select(0, indices))
