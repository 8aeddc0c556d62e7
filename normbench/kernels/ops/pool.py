"""Max pooling of 2x2 pixels and the mean of all pixels."""

from functools import cache

import torch

from normbench.kernels.graph import Kernel
from normbench.kernels.op import LANES, Images, Plan
from normbench.kernels.structs import PoolDesc


def max_pool(images: Images) -> Kernel | None:
    """The largest of each 2x2 pixels, [N, C, H, W] -> [N, C, H/2, W/2]; of equals the first gets the gradient.

    None where there is no kernel: unless C is a multiple of 16, and H and W are even.
    """
    shape, dtype, _ = images
    if shape[1] % LANES or shape[2] % 2 or shape[3] % 2:
        return None
    return Kernel(_plan("max_pool", shape, dtype))


def mean_of_pixels(images: Images) -> Kernel | None:
    """The mean of each channel of each image, [N, C, H, W] -> float32 [N, C, 1, 1].

    None where there is no kernel: unless C is a multiple of 16.
    """
    shape, dtype, _ = images
    return None if shape[1] % LANES else Kernel(_plan("global_avg_pool", shape, dtype))


@cache
def _plan(name: str, shape: tuple[int, ...], dtype: torch.dtype) -> Plan:
    num_images, channels, height, width = shape
    pool = PoolDesc(height, width, channels, dtype == torch.bfloat16)
    if name == "global_avg_pool":
        y = Images((num_images, channels, 1, 1), torch.float32)
        return Plan(name, pool, Images(shape, dtype), y, reads_x=False)
    y = Images((num_images, channels, height // 2, width // 2), dtype)
    return Plan(name, pool, Images(shape, dtype), y, kept=torch.Size(y.shape).numel(), reads_x=False)
