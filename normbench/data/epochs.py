"""An epoch's images in its order and augmented: of a few steps at once, or of all, where the data lie on a device."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from normbench.data.augment import Augmentation
from normbench.data.batches import epoch_order
from normbench.data.streams import stream
from normbench.data.types import Split

IMAGES_AT_ONCE = 512  # small enough for a cache; for 64 images the calls take longer than the arithmetic


@dataclass(frozen=True)
class Drawn:
    """All chance in the images of some steps, on the CPU: `order` int64 [N], and [N, ...] for each augmentation."""

    order: Tensor
    draws: tuple[Tensor, ...]


def training_batches(
    split: Split, batch_size: int, augmentations: Sequence[Augmentation], seed: int, epoch: int, first_step: int = 0
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yields (images uint8 [B, C, H, W], labels int64 [B]) for each step of an epoch; the last batch may be short.

    A step's images are the same wherever one begins.
    """
    order = epoch_order(len(split), seed, epoch)
    steps = max(1, IMAGES_AT_ONCE // batch_size)
    for start in range(first_step * batch_size, len(split), steps * batch_size):
        chosen = order[start : start + steps * batch_size]
        drawn = _draw(chosen, split.images.shape, batch_size, augmentations, seed, epoch, start // batch_size)
        arranged = arrange(split, drawn, augmentations)
        yield from zip(arranged.images.split(batch_size), arranged.labels.split(batch_size), strict=True)


def draw_epoch(
    shape: torch.Size, batch_size: int, augmentations: Sequence[Augmentation], seed: int, epoch: int
) -> Drawn:
    """What all steps of an epoch over images of the given shape [N, C, H, W] draw one after the other."""
    return _draw(epoch_order(shape[0], seed, epoch), shape, batch_size, augmentations, seed, epoch, first_step=0)


def arrange(split: Split, drawn: Drawn, augmentations: Sequence[Augmentation]) -> Split:
    """The images that were drawn, in their order and augmented, on the split's device."""
    order = drawn.order.to(split.labels.device)
    images = split.images.index_select(0, order)
    for augment, draws in zip(augmentations, drawn.draws, strict=True):
        images = augment.apply(images, draws)
    return Split(images, split.labels.index_select(0, order))


def _draw(
    order: Tensor,
    shape: torch.Size,
    batch_size: int,
    augmentations: Sequence[Augmentation],
    seed: int,
    epoch: int,
    first_step: int,
) -> Drawn:
    """Each step has random streams of its own, one for each augmentation."""
    draws: list[list[Tensor]] = [[] for _ in augmentations]
    for step, batch in enumerate(order.split(batch_size), start=first_step):
        for number, augment in enumerate(augmentations):
            generator = stream(seed, "augment", epoch, step, number)
            draws[number].append(augment.draw(torch.Size((len(batch), *shape[1:])), generator))
    return Drawn(order, tuple(map(torch.cat, draws)))
