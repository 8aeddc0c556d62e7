"""From a split in memory to batches: the order of an epoch, the batches, and normalization to floats."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from normbench.data.streams import stream
from normbench.data.types import Split
from normbench.kernels import can_scale, scale_images

# CIFAR-10's channel mean and std in units of 255, used for every source: runs on different data stay comparable.
MEAN = (0.4914, 0.4822, 0.4465)
STD = (0.247, 0.243, 0.261)


def epoch_order(num_images: int, seed: int, epoch: int) -> Tensor:
    """The permutation int64 [num_images] in which an epoch visits the images; depends on nothing but the arguments."""
    return torch.randperm(num_images, generator=stream(seed, "order", epoch))


def batches(split: Split, batch_size: int, order: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield (images uint8 [B, C, H, W], labels int64 [B]) in the given order; the last batch may be short.

    To resume at a step, pass `order[step * batch_size :]`. `order` lives on the split's device or on the CPU.
    """
    for start in range(0, len(order), batch_size):  # not order.split: of nothing it makes one empty batch
        chosen = order[start : start + batch_size]
        index = chosen.to(split.labels.device)
        yield split.images.index_select(0, index), split.labels.index_select(0, index)


def normalize(
    images: Tensor,
    mean: Sequence[float] = MEAN,
    std: Sequence[float] = STD,
    dtype: torch.dtype = torch.float32,
    memory_format: torch.memory_format = torch.contiguous_format,
) -> Tensor:
    """(images / 255 - mean) / std per channel: uint8 [B, C, H, W] -> `dtype` [B, C, H, W], same device."""
    scale = [1 / (255 * s) for s in std]
    offset = [-m / s for m, s in zip(mean, std, strict=True)]
    if (dtype, memory_format) == (torch.float32, torch.channels_last) and can_scale(images):
        return scale_images(images, scale, offset)
    out = torch.empty(images.shape, dtype=dtype, device=images.device, memory_format=memory_format)
    for channel, (factor, shift) in enumerate(zip(scale, offset, strict=True)):
        # In one pass from uint8 to the result, rounded once even to bf16. Both simpler forms, a conversion followed by
        # broadcast arithmetic, take 2 to 8 times as long when the result is channels_last.
        torch.add(torch.tensor(shift), images[:, channel], alpha=factor, out=out[:, channel])
    return out
