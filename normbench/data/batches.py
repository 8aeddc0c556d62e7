"""From a split in memory to the batches of an epoch: their order, their augmentation, and normalization to floats.

All randomness of an epoch is drawn on the CPU from named streams (`streams.py`). So a batch holds the same images
whether a run starts at its step or earlier, and whether it is arranged on the CPU or on a device.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from normbench.data.augment.augmentation import Augmentation
from normbench.data.dataset import Split
from normbench.data.normalization import Normalization
from normbench.data.streams import stream

IMAGES_AT_ONCE = 512  # small enough for a CPU's cache; augmenting 64 images takes longer in calls than in arithmetic


@dataclass(frozen=True)
class EpochDraws:
    """All randomness in the images of consecutive steps of `batch_size` images, on the CPU.

    `order` int64 [N] holds the images' indices, `draws` a tensor [N, ...] for each augmentation.
    """

    order: Tensor
    draws: tuple[Tensor, ...]
    batch_size: int

    def parts(self, num_images: int) -> Iterator["EpochDraws"]:
        """One after the other, parts of whole steps with about `num_images` images each."""
        size = max(1, num_images // self.batch_size) * self.batch_size
        for order, *draws in zip(*(drawn.split(size) for drawn in (self.order, *self.draws)), strict=True):
            yield EpochDraws(order, tuple(draws), self.batch_size)


def epoch_order(num_images: int, seed: int, epoch: int) -> Tensor:
    """The permutation int64 [num_images] in which an epoch visits the images; depends on nothing but the arguments."""
    return torch.randperm(num_images, generator=stream(seed, "order", epoch))


def batches(split: Split, batch_size: int, order: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield (images uint8 [B, C, H, W], labels int64 [B]) in the given order; the last batch may be short.

    To resume at a step, pass `order[step * batch_size :]`. `order` is on the split's device or on the CPU.
    """
    for start in range(0, len(order), batch_size):  # not order.split: of nothing it makes one empty batch
        chosen = order[start : start + batch_size]
        index = chosen.to(split.labels.device)
        yield split.images.index_select(0, index), split.labels.index_select(0, index)


def training_batches(
    split: Split, batch_size: int, augmentations: Sequence[Augmentation], seed: int, epoch: int, first_step: int = 0
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield augmented (images uint8 [B, C, H, W], their labels) of the steps of an epoch from `first_step` on.

    The last batch may be short. A step's images do not depend on `first_step`. The labels are of the kind that the
    split's are; an augmentation that mixes images takes probabilities.
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
) -> EpochDraws:
    """The randomness of a whole epoch over images of shape [N, C, H, W]: that of `training_batches`, drawn ahead."""
    return _draw(epoch_order(shape[0], seed, epoch), shape, batch_size, augmentations, seed, epoch, first_step=0)


def arrange(split: Split, drawn: EpochDraws, augmentations: Sequence[Augmentation]) -> Split:
    """The drawn images in the drawn order, augmented, on the split's device."""
    order = drawn.order.to(split.labels.device)
    images, labels = split.images.index_select(0, order), split.labels.index_select(0, order)
    for augment, draws in zip(augmentations, drawn.draws, strict=True):
        images = augment.apply(images, draws)
        if augment.mix_labels:
            labels = augment.mix_labels(labels, draws)
    return Split(images, labels)


def normalize(
    images: Tensor,
    normalization: Normalization,
    dtype: torch.dtype = torch.float32,
    memory_format: torch.memory_format = torch.contiguous_format,
) -> Tensor:
    """(images / 255 - mean) / std per channel: uint8 [B, C, H, W] -> `dtype` [B, C, H, W], same device."""
    out = torch.empty(images.shape, dtype=dtype, device=images.device, memory_format=memory_format)
    for channel, (factor, shift) in enumerate(zip(normalization.scale, normalization.offset, strict=True)):
        # In one pass from uint8 to the result, rounded once even to bf16. Both simpler forms, a conversion followed by
        # broadcast arithmetic, take 2 to 8 times as long when the result is channels_last.
        torch.add(torch.tensor(shift), images[:, channel], alpha=factor, out=out[:, channel])
    return out


def _draw(
    order: Tensor,
    shape: torch.Size,
    batch_size: int,
    augmentations: Sequence[Augmentation],
    seed: int,
    epoch: int,
    first_step: int,
) -> EpochDraws:
    """Draw step by step: each step has a random stream of its own for each augmentation."""
    draws: list[list[Tensor]] = [[] for _ in augmentations]
    for step, batch in enumerate(order.split(batch_size), start=first_step):
        for number, augment in enumerate(augmentations):
            generator = stream(seed, "augment", epoch, step, number)
            draws[number].append(augment.draw(torch.Size((len(batch), *shape[1:])), generator))
    return EpochDraws(order, tuple(map(torch.cat, draws)), batch_size)
