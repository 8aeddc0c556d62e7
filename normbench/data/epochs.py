"""Augmentation of a step's images, and of a whole epoch's at once, where the data lie on a device: the same images."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from normbench.data.augment import Augmentation
from normbench.data.batches import epoch_order
from normbench.data.streams import stream
from normbench.data.types import Split


@dataclass(frozen=True)
class DrawnEpoch:
    """All chance in an epoch's images, on the CPU: `order` int64 [N], and [N, ...] for each augmentation, in it."""

    order: Tensor
    draws: tuple[Tensor, ...]


def augment_step(images: Tensor, augmentations: Sequence[Augmentation], seed: int, epoch: int, step: int) -> Tensor:
    """The images of one step, uint8 [B, C, H, W], augmented by all in turn, each with draws of its own."""
    for number, augment in enumerate(augmentations):
        images = augment(images, _stream(seed, epoch, step, number))
    return images


def draw_epoch(
    shape: torch.Size, batch_size: int, augmentations: Sequence[Augmentation], seed: int, epoch: int
) -> DrawnEpoch:
    """What the steps of an epoch over images of the given shape [N, C, H, W] would draw one after the other."""
    draws: list[list[Tensor]] = [[] for _ in augmentations]
    for step, start in enumerate(range(0, shape[0], batch_size)):
        batch = torch.Size((min(batch_size, shape[0] - start), *shape[1:]))
        for number, augment in enumerate(augmentations):
            draws[number].append(augment.draw(batch, _stream(seed, epoch, step, number)))
    return DrawnEpoch(epoch_order(shape[0], seed, epoch), tuple(map(torch.cat, draws)))


def arrange(split: Split, drawn: DrawnEpoch, augmentations: Sequence[Augmentation]) -> Split:
    """The split's images in the epoch's order and augmented, on the split's device."""
    order = drawn.order.to(split.labels.device)
    images = split.images.index_select(0, order)
    for augment, draws in zip(augmentations, drawn.draws, strict=True):
        images = augment.apply(images, draws)
    return Split(images, split.labels.index_select(0, order))


def _stream(seed: int, epoch: int, step: int, number: int) -> torch.Generator:
    return stream(seed, "augment", epoch, step, number)
