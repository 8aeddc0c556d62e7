"""Max pooling of 2x2 pixels and the mean of all pixels, forward and backward."""

import ctypes
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from normbench.kernels.library import library
from normbench.kernels.norm import DTYPES, LANES, pointers


def can_pool(x: Tensor) -> bool:
    """Whether there is a kernel for `max_pool`: as for `mean_of_pixels`, with even height and width."""
    return can_average(x) and x.shape[2] % 2 == x.shape[3] % 2 == 0


def can_average(x: Tensor) -> bool:
    """Whether there is a kernel for `mean_of_pixels`: on the CPU, channels_last in float32 or bfloat16, with a multiple
    of 16 channels."""
    return (
        x.dtype in DTYPES
        and x.dim() == 4
        and x.device.type == "cpu"
        and x.shape[1] % LANES == 0
        and x.numel() > 0
        and x.is_contiguous(memory_format=torch.channels_last)
        and library() is not None
    )


def max_pool(x: Tensor) -> Tensor:
    """The largest of each 2x2 pixels, [N, C, H, W] -> [N, C, H/2, W/2]; of equals the first gets the gradient."""
    out: Tensor = _MaxPool.apply(x)
    return out


def mean_of_pixels(x: Tensor) -> Tensor:
    """The mean of each channel of each image, [N, C, H, W] -> float32 [N, C, 1, 1]."""
    out: Tensor = _Mean.apply(x)
    return out


class _MaxPool(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        images, channels, height, width = x.shape
        y = torch.empty((images, channels, height // 2, width // 2), dtype=x.dtype, memory_format=torch.channels_last)
        winner = torch.empty_like(y, dtype=torch.uint8)
        ctx.sizes = [ctypes.c_int64(size) for size in (images, height, width, channels)]
        ctx.save_for_backward(winner)
        _call("pool_forward", ctx.sizes, x.dtype, x, y, winner)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_y: Tensor) -> Tensor:
        (winner,) = ctx.saved_tensors
        images, height, width, channels = (size.value for size in ctx.sizes)
        d_y = d_y.contiguous(memory_format=torch.channels_last)
        d_x = torch.empty((images, channels, height, width), dtype=d_y.dtype, memory_format=torch.channels_last)
        _call("pool_backward", ctx.sizes, d_y.dtype, d_y, winner, d_x)
        return d_x


class _Mean(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        images, channels, height, width = x.shape
        mean = torch.empty(images, channels, 1, 1)
        ctx.sizes = [ctypes.c_int64(size) for size in (images, height * width, channels)]
        ctx.shape, ctx.dtype = x.shape, x.dtype
        _call("mean_forward", ctx.sizes, x.dtype, x, mean)
        return mean

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_mean: Tensor) -> Tensor:
        d_x = torch.empty(ctx.shape, dtype=ctx.dtype, memory_format=torch.channels_last)
        _call("mean_backward", ctx.sizes, ctx.dtype, d_mean.contiguous(), d_x)
        return d_x


def _call(name: str, sizes: list[ctypes.c_int64], dtype: torch.dtype, *tensors: Tensor) -> None:
    getattr(library(), name)(*sizes, dtype == torch.bfloat16, *pointers(*tensors), torch.get_num_threads())
