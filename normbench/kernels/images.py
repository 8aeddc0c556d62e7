"""Images from bytes to floats."""

import ctypes
from collections.abc import Sequence

import torch
from torch import Tensor

from normbench.kernels.library import library, pointers
from normbench.kernels.ops.conv import COLOURS


def can_scale(images: Tensor) -> bool:
    """Whether there is a kernel for it: uint8 [N, 3, H, W] on the CPU, in one piece."""
    return (
        images.dtype == torch.uint8
        and images.dim() == 4
        and images.shape[1] == COLOURS
        and images.device.type == "cpu"
        and images.is_contiguous()
        and library() is not None
    )


def scale_images(images: Tensor, scale: Sequence[float], offset: Sequence[float]) -> Tensor:
    """scale x + offset, a pair for each colour: images as `can_scale` allows -> float32 [N, 3, H, W], channels_last."""
    out = torch.empty(images.shape, dtype=torch.float32, memory_format=torch.channels_last)
    count, _, height, width = images.shape
    factors = ((ctypes.c_float * COLOURS)(*values) for values in (scale, offset))
    x, y = pointers(images, out)
    kernels = library()
    assert kernels is not None, "can_scale was asked before"
    kernels.images_to_floats(
        ctypes.c_int64(count), ctypes.c_int64(height * width), x, *factors, y, torch.get_num_threads()
    )
    return out
