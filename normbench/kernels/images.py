"""Images from bytes to normalized floats."""

import ctypes
from collections.abc import Sequence

import torch
from torch import Tensor

from normbench.data import batches
from normbench.data.batches import MEAN, STD, scale_and_offset
from normbench.kernels.eager import is_eager, is_plain
from normbench.kernels.library import library, pointers


def normalize(
    images: Tensor,
    mean: Sequence[float] = MEAN,
    std: Sequence[float] = STD,
    memory_format: torch.memory_format = torch.contiguous_format,
) -> Tensor:
    """`data.batches.normalize` in float32, (images / 255 - mean) / std: uint8 [B, C, H, W] -> float32 [B, C, H, W].

    In one pass where the kernel covers it: contiguous images on the CPU to channels_last. mean, std: one value for each
    channel; ValueError for another number of them.
    """
    if images.dim() != 4 or not images.shape[1] == len(mean) == len(std):
        raise ValueError(f"images {list(images.shape)} have other channels than mean and std: {len(mean)}, {len(std)}")
    kernels = library() if is_eager() else None
    covered = (
        is_plain(images) and images.dtype == torch.uint8 and images.device.type == "cpu" and images.is_contiguous()
    )
    if kernels is None or memory_format != torch.channels_last or not covered:
        return batches.normalize(images, mean, std, memory_format=memory_format)
    out = torch.empty(images.shape, dtype=torch.float32, memory_format=torch.channels_last)
    num_images, channels, height, width = images.shape
    factors = ((ctypes.c_float * channels)(*values) for values in scale_and_offset(mean, std))
    sizes = (ctypes.c_int64(number) for number in (num_images, channels, height * width))
    x, y = pointers(images, out)
    kernels.images_to_floats(*sizes, x, *factors, y, torch.get_num_threads())
    return out
