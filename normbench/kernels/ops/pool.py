"""Pooling: the maximum or the mean of windows of pixels, and the mean of all pixels."""

import math
from functools import cache
from typing import NamedTuple

import torch

from normbench.kernels.op import LANES, Op, TensorDesc
from normbench.kernels.structs import PoolDesc

MAX_KERNEL = 15  # a pixel's number in its window is one byte


class Window(NamedTuple):
    """Square windows, `stride` pixels apart; the first starts `padding` pixels outside of the image."""

    kernel: int
    stride: int
    padding: int = 0


HALVES = Window(2, 2)


@cache
def max_pool(x: TensorDesc, window: Window = HALVES) -> Op | None:
    """The largest value of each window; the first of equals gets the gradient. [N, C, H, W] -> [N, C, H', W'].

    H' is (H + 2 padding - kernel) / stride + 1, rounded down, and likewise W'. Pixels outside of the image do not
    count. None unless C is a multiple of 16, and a window fits in.
    """
    y = _pooled(x, window)
    if y is None:
        return None
    return Op(
        "max_pool",
        _desc(x, window),
        x,
        y,
        saved_bytes=math.prod(y.shape),
        thread_workspace_bytes=_sums_bytes(x, window),
        backward_reads_x=False,
    )


@cache
def avg_pool(x: TensorDesc, window: Window = HALVES) -> Op | None:
    """The mean of each window, in which pixels outside of the image are zeros. Shapes as for `max_pool`."""
    y = _pooled(x, window)
    if y is None:
        return None
    sums = _sums_bytes(x, window)
    return Op("avg_pool", _desc(x, window), x, y, thread_workspace_bytes=sums, backward_reads_x=False)


@cache
def global_avg_pool(x: TensorDesc) -> Op | None:
    """The mean of each channel of each image, [N, C, H, W] -> float32 [N, C, 1, 1].

    None unless C is a multiple of 16.
    """
    if x.shape[1] % LANES:
        return None
    y = TensorDesc((*x.shape[:2], 1, 1), torch.float32)
    return Op("global_avg_pool", _desc(x, HALVES), x, y, backward_reads_x=False)


def _pooled(x: TensorDesc, window: Window) -> TensorDesc | None:
    num_images, channels, *size = x.shape
    kernel, stride, padding = window
    height, width = ((side + 2 * padding - kernel) // stride + 1 for side in size)
    if channels % LANES or height < 1 or width < 1 or not 0 < kernel <= MAX_KERNEL or not 0 <= 2 * padding <= kernel:
        return None
    return TensorDesc((num_images, channels, height, width), x.dtype)


def _sums_bytes(x: TensorDesc, window: Window) -> int:
    """Where windows overlap, the gradient of a pixel is a sum, which is made in float32."""
    return 4 * math.prod(x.shape[1:]) if window.kernel > window.stride else 0


def _desc(x: TensorDesc, window: Window) -> PoolDesc:
    _, channels, height, width = x.shape
    return PoolDesc(height, width, channels, *window, x.dtype == torch.bfloat16)
