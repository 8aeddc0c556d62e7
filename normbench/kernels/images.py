"""Images from bytes to normalized floats."""

import ctypes

import torch
from torch import Tensor

from normbench.data import batches
from normbench.data.normalization import Normalization
from normbench.kernels.eager import is_eager, is_plain
from normbench.kernels.library import library, pointers


def normalize(
    images: Tensor, normalization: Normalization, memory_format: torch.memory_format = torch.contiguous_format
) -> Tensor:
    """`data.batches.normalize` in float32, (images / 255 - mean) / std: uint8 [B, C, H, W] -> float32 [B, C, H, W].

    In one pass where the kernel covers it: contiguous images on the CPU to channels_last. Raises ValueError for images
    with another number of channels than the normalization has.
    """
    if images.dim() != 4 or images.shape[1] != len(normalization.mean):
        raise ValueError(f"images {list(images.shape)}, and constants for {len(normalization.mean)} channels")
    kernels = library() if is_eager() else None
    covered = (
        is_plain(images) and images.dtype == torch.uint8 and images.device.type == "cpu" and images.is_contiguous()
    )
    if kernels is None or memory_format != torch.channels_last or not covered:
        return batches.normalize(images, normalization, memory_format=memory_format)
    out = torch.empty(images.shape, dtype=torch.float32, memory_format=torch.channels_last)
    num_images, channels, height, width = images.shape
    factors = ((ctypes.c_float * channels)(*values) for values in (normalization.scale, normalization.offset))
    sizes = (ctypes.c_int64(number) for number in (num_images, channels, height * width))
    x, y = pointers(images, out)
    kernels.images_to_floats(*sizes, x, *factors, y, torch.get_num_threads())
    return out
