"""A convolution with sums in float32."""

import ctypes
from collections.abc import Sequence
from functools import cache

import torch

from normbench.kernels.library import Library, library
from normbench.kernels.op import LANES, Op, TensorDesc
from normbench.kernels.structs import ConvDesc

SIZES, STRIDES = (1, 3), (1, 2)


@cache
def convolve(
    x: TensorDesc, filters: Sequence[int], strides: tuple[int, ...], dtype: torch.dtype, stride: int = 1
) -> Op | None:
    """y = w * x + b with zero padding of K // 2 -> [N, O, ceil(H / stride), ceil(W / stride)] of this dtype.

    In bfloat16 it is what autocast computes: x and w are rounded, b is not. Sums are float32, as are the gradients of w
    and b. The number of threads changes no bit.

    filters: the shape [O, C, K, K] of w, float32 with these strides; b is float32 [O]. None where no kernel covers it:
    O is a multiple of 16, K is 1 or 3, the stride is 1 or 2. C is a multiple of 16, or x is float32 and wants no
    gradient, as the images have none.
    """
    num_images, channels, height, width = x.shape
    out_channels, in_channels, *kernel = filters
    size = kernel[0]
    known = kernel == [size, size] and size in SIZES and stride in STRIDES
    is_typed = x.dtype == dtype or (x.dtype == torch.float32 and not x.requires_grad)
    has_lanes = out_channels % LANES == 0 and (in_channels % LANES == 0 or not x.requires_grad)
    kernels = _library_with_convs()
    if kernels is None or not (known and is_typed and has_lanes) or channels != in_channels:
        return None
    desc = ConvDesc(
        num_images, height, width, in_channels, out_channels, size, stride, strides,
        x.dtype == torch.bfloat16, dtype == torch.bfloat16, x.requires_grad,
    )  # fmt: skip
    y = (num_images, out_channels, -(-height // stride), -(-width // stride))
    return Op(
        "conv",
        desc,
        x,
        TensorDesc(y, dtype),
        num_parameters=2,
        workspace_bytes=kernels.conv_workspace_bytes(ctypes.byref(desc)),
        thread_workspace_bytes=kernels.conv_thread_workspace_bytes(ctypes.byref(desc)),
    )


@cache
def _library_with_convs() -> Library | None:
    kernels = library()
    if kernels is not None:
        kernels.conv_workspace_bytes.restype = ctypes.c_int64
        kernels.conv_thread_workspace_bytes.restype = ctypes.c_int64
    return kernels
