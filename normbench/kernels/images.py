"""Images from bytes to normalized floats."""

import ctypes
from functools import cache

import torch
from torch import Tensor

from normbench.data import batches
from normbench.data.normalization import Normalization
from normbench.kernels.eager import is_eager, is_plain
from normbench.kernels.library import library
from normbench.kernels.structs import ImageConversion


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
    if kernels is None or memory_format != torch.channels_last or not are_covered(images):
        return batches.normalize(images, normalization, memory_format=memory_format)
    out = torch.empty(images.shape, dtype=torch.float32, memory_format=torch.channels_last)
    kernels.images_to_floats(ctypes.byref(conversion(images, normalization, out)))
    return out


def are_covered(images: Tensor) -> bool:
    """Whether the kernel reads these images [B, C, H, W]: contiguous bytes on the CPU."""
    return is_plain(images) and images.dtype == torch.uint8 and images.device.type == "cpu" and images.is_contiguous()


def conversion(images: Tensor, normalization: Normalization, out: Tensor) -> ImageConversion:
    """What the kernel is told: covered images, and float32 [B, C, H, W] in channels_last that it writes."""
    num_images, channels, height, width = images.shape
    scale, offset = _factors(normalization)
    return ImageConversion(
        num_images, channels, height * width, scale, offset, images.data_ptr(), out.data_ptr(), torch.get_num_threads()
    )


def _factors(normalization: Normalization) -> tuple[int, int]:
    """The addresses of scale and offset of each channel."""
    scale, offset = _kept_factors(normalization)
    return ctypes.addressof(scale), ctypes.addressof(offset)


@cache
def _kept_factors(normalization: Normalization) -> "tuple[ctypes.Array[ctypes.c_float], ctypes.Array[ctypes.c_float]]":
    """Kept for good: a run has one normalization, and descriptors point to its numbers."""
    numbers = ctypes.c_float * len(normalization.mean)
    return numbers(*normalization.scale), numbers(*normalization.offset)
