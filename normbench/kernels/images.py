"""Images from bytes to normalized floats."""

import ctypes

import torch
from torch import Tensor

from normbench.data import batches
from normbench.data.batches import MEAN, STD, scale_and_offset
from normbench.kernels.eager import is_eager, is_plain
from normbench.kernels.library import library, pointers

COLOURS = len(MEAN)


def normalize(images: Tensor, memory_format: torch.memory_format = torch.contiguous_format) -> Tensor:
    """`data.batches.normalize` in float32, (images / 255 - mean) / std: uint8 [B, C, H, W] -> float32 [B, C, H, W].

    In one pass where the kernel covers it: contiguous images of three colours on the CPU to channels_last.
    """
    kernels = library() if is_eager() else None
    covered = (
        is_plain(images)
        and images.dtype == torch.uint8
        and images.dim() == 4
        and images.shape[1] == COLOURS
        and images.device.type == "cpu"
        and images.is_contiguous()
    )
    if kernels is None or memory_format != torch.channels_last or not covered:
        return batches.normalize(images, memory_format=memory_format)
    out = torch.empty(images.shape, dtype=torch.float32, memory_format=torch.channels_last)
    num_images, _, height, width = images.shape
    factors = ((ctypes.c_float * COLOURS)(*values) for values in scale_and_offset(MEAN, STD))
    x, y = pointers(images, out)
    kernels.images_to_floats(
        ctypes.c_int64(num_images), ctypes.c_int64(height * width), x, *factors, y, torch.get_num_threads()
    )
    return out
