"""Max pooling of 2x2 pixels and the mean of all pixels."""

import math
from functools import cache

import torch

from normbench.kernels.op import LANES, Op, TensorDesc
from normbench.kernels.structs import PoolDesc


@cache
def max_pool(x: TensorDesc) -> Op | None:
    """The largest of each 2x2 pixels, [N, C, H, W] -> [N, C, H/2, W/2]; the first of equals gets the gradient.

    None unless C is a multiple of 16, and H and W are even.
    """
    num_images, channels, height, width = x.shape
    if channels % LANES or height % 2 or width % 2:
        return None
    y = TensorDesc((num_images, channels, height // 2, width // 2), x.dtype)
    return Op("max_pool", _desc(x), x, y, saved_bytes=math.prod(y.shape), backward_reads_x=False)


@cache
def global_avg_pool(x: TensorDesc) -> Op | None:
    """The mean of each channel of each image, [N, C, H, W] -> float32 [N, C, 1, 1].

    None unless C is a multiple of 16.
    """
    if x.shape[1] % LANES:
        return None
    y = TensorDesc((*x.shape[:2], 1, 1), torch.float32)
    return Op("global_avg_pool", _desc(x), x, y, backward_reads_x=False)


def _desc(x: TensorDesc) -> PoolDesc:
    _, channels, height, width = x.shape
    return PoolDesc(height, width, channels, x.dtype == torch.bfloat16)
