"""A convolution in bfloat16 with sums in float32, for CPUs with AVX-512 BF16."""

import ctypes
from collections.abc import Sequence
from functools import cache

import torch

from normbench.kernels.library import Library, library
from normbench.kernels.op import Op, TensorDesc
from normbench.kernels.structs import ConvDesc

CHANNELS, COLOURS = (16, 32), 3
STEM_FILTERS = (CHANNELS[0], COLOURS, 3, 3)


@cache
def convolve(x: TensorDesc, filters: Sequence[int], strides: tuple[int, ...]) -> Op | None:
    """y = w * x + b at stride 1 with zero padding that keeps the size -> bfloat16 [N, O, H, W].

    What autocast to bfloat16 computes: w is rounded to bfloat16, b is not; sums are float32, as are the gradients of
    w and b. The number of threads changes no bit.

    filters: the shape [O, C, K, K] of w, float32 with these strides; b is float32 [O]. None where no kernel covers it:
    the CPU must multiply bfloat16, and either C and O are 16 or 32, K is 1 or 3 and x is bfloat16, or C = 3, O = 16,
    K = 3 and x is float32 and wants no gradient ("stem").
    """
    num_images, channels, height, width = x.shape
    out_channels, in_channels, *kernel = filters
    if in_channels == COLOURS:
        name, covered = "stem", filters == STEM_FILTERS and x.dtype == torch.float32 and not x.requires_grad
    else:
        name = "conv"
        known = in_channels in CHANNELS and out_channels in CHANNELS and kernel in ([1, 1], [3, 3])
        covered = known and x.dtype == torch.bfloat16
    kernels = _library_with_convs()
    if kernels is None or not covered or channels != in_channels:
        return None
    desc = ConvDesc(num_images, height, width, in_channels, out_channels, kernel[0], strides)
    return Op(
        name,
        desc,
        x,
        TensorDesc((num_images, out_channels, height, width), torch.bfloat16),
        num_parameters=2,
        workspace_bytes=getattr(kernels, f"{name}_workspace_bytes")(ctypes.byref(desc)),
        thread_workspace_bytes=getattr(kernels, f"{name}_thread_workspace_bytes")(ctypes.byref(desc)),
    )


@cache
def _library_with_convs() -> Library | None:
    """The library if this CPU has the instructions that its convolutions need."""
    kernels = library()
    if kernels is None or not kernels.has_conv():
        return None
    for name in (
        "conv_workspace_bytes",
        "conv_thread_workspace_bytes",
        "stem_workspace_bytes",
        "stem_thread_workspace_bytes",
    ):
        getattr(kernels, name).restype = ctypes.c_int64
    return kernels
