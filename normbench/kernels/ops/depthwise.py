"""A depthwise 3x3 convolution with sums in float32."""

import ctypes
from collections.abc import Sequence
from functools import cache

import torch

from normbench.kernels.library import library
from normbench.kernels.op import LANES, Op, TensorDesc
from normbench.kernels.structs import DepthwiseDesc

STRIDES = (1, 2)


@cache
def convolve_depthwise(x: TensorDesc, filters: Sequence[int], strides: tuple[int, ...], stride: int) -> Op | None:
    """y = w * x + b, channel by channel, with zero padding of 1 -> [N, C, ceil(H / stride), ceil(W / stride)], as x.

    For bfloat16 images w is rounded to it, as autocast does, and b is not. The gradients of w and b are float32. The
    number of threads changes no bit.

    filters: the shape [C, 1, 3, 3] of w, float32 with these strides; b is float32 [C]. None unless C is a multiple of
    16 and the stride is 1 or 2.
    """
    num_images, channels, height, width = x.shape
    kernels = library()
    if kernels is None or tuple(filters) != (channels, 1, 3, 3) or channels % LANES or stride not in STRIDES:
        return None
    desc = DepthwiseDesc(
        num_images, height, width, channels, stride, (strides[0], *strides[2:]), x.dtype == torch.bfloat16
    )
    y = TensorDesc((num_images, channels, -(-height // stride), -(-width // stride)), x.dtype)
    kernels.depthwise_workspace_bytes.restype = ctypes.c_int64
    return Op(
        "depthwise",
        desc,
        x,
        y,
        num_parameters=2,
        workspace_bytes=kernels.depthwise_workspace_bytes(ctypes.byref(desc)),
    )
