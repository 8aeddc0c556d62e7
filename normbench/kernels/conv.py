"""A convolution in bfloat16 with sums in float32, forward and backward, for CPUs with AVX-512 BF16."""

import ctypes
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from normbench.kernels.library import library
from normbench.kernels.norm import DTYPES, pointers

CHANNELS, COLOURS = (16, 32), 3


class _Conv(ctypes.Structure):
    """`Conv` in conv.h."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("images", "height", "width", "inputs", "outputs", "size")),
        ("strides", ctypes.c_int64 * 4),
        ("threads", ctypes.c_int64),
    )


def can_convolve(x: Tensor, weight: Tensor, bias: Tensor | None) -> bool:
    """Whether there is a kernel for `convolve`: on a CPU that multiplies bfloat16, x channels_last [N, C, H, W] in
    float32 or bfloat16, weight float32 [O, C, K, K] and bias float32 [O] or None, with C and O of 16 or 32 and K of 1
    or 3; or else C = 3, O = 16, K = 3 for x in float32 that needs no gradient."""
    if x.dim() != 4 or weight.dim() != 4:
        return False
    outputs, inputs, *size = weight.shape
    if inputs == COLOURS:
        known = (outputs, size) == (CHANNELS[0], [3, 3]) and x.dtype == torch.float32 and not x.requires_grad
    else:
        known = inputs in CHANNELS and outputs in CHANNELS and size in ([1, 1], [3, 3]) and x.dtype in DTYPES
    return (
        known
        and x.shape[1] == inputs
        and x.numel() > 0
        and x.is_contiguous(memory_format=torch.channels_last)
        and weight.dtype == torch.float32
        and (bias is None or bias.dtype == torch.float32)
        and x.device.type == weight.device.type == "cpu"
        and _has_conv()
    )


@cache
def _has_conv() -> bool:
    kernels = library()
    if kernels is None or not kernels.has_conv():
        return False
    kernels.conv_scratch.restype = kernels.stem_scratch.restype = ctypes.c_int64
    return True


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """y = w * x + b at stride 1 with borders of zeros that keep the size: what autocast to bfloat16 computes.

    Arguments as `can_convolve` allows them -> bfloat16 [N, O, H, W], channels_last. x and w are rounded to bfloat16, b
    is not; sums are float32, as are the gradients of w and b. The number of threads changes no bit.
    """
    if x.shape[1] != COLOURS:
        x = x.to(torch.bfloat16)  # the kernel of the stem rounds by itself
    if not (weight.is_contiguous() or weight.is_contiguous(memory_format=torch.channels_last)):
        weight = weight.contiguous()  # so that its gradient can have its strides
    out: Tensor = _Convolve.apply(x, weight, None if bias is None else bias.contiguous())
    return out


class _Plan(NamedTuple):
    conv: Any  # a reference to _Conv
    y_shape: torch.Size
    scratch: int  # how many float32
    forward: Callable[..., None]
    backward: Callable[..., None]


class _Convolve(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        plan = _plan(x.shape, weight.shape, weight.stride(), torch.get_num_threads())
        y = torch.empty(plan.y_shape, dtype=torch.bfloat16, memory_format=torch.channels_last)
        scratch = torch.empty(plan.scratch)
        plan.forward(plan.conv, *pointers(x, weight, bias, y, scratch))
        ctx.save_for_backward(x, weight)
        ctx.plan = plan
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_y: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        d_y = d_y.contiguous(memory_format=torch.channels_last)
        for_x, for_weight, for_bias = ctx.needs_input_grad
        d_x = torch.empty_like(x) if for_x else None
        d_weight, d_bias = None, None
        if for_weight or for_bias:  # one pass gives both
            d_weight, d_bias = torch.empty_like(weight), torch.empty(len(weight))
        scratch = torch.empty(ctx.plan.scratch)
        ctx.plan.backward(ctx.plan.conv, *pointers(x, weight, d_y, d_x, d_weight, d_bias, scratch))
        return d_x, d_weight if for_weight else None, d_bias if for_bias else None


@cache
def _plan(x: torch.Size, weight: torch.Size, strides: tuple[int, ...], threads: int) -> _Plan:
    """Kept: to make one takes as long as the kernel does with a small layer."""
    images, inputs, height, width = x
    outputs, _, size, _ = weight
    conv = ctypes.byref(_Conv(images, height, width, inputs, outputs, size, strides, threads))
    kind, kernels = "stem" if inputs == COLOURS else "conv", library()
    forward, backward, scratch = (getattr(kernels, f"{kind}_{name}") for name in ("forward", "backward", "scratch"))
    return _Plan(conv, torch.Size([images, outputs, height, width]), scratch(conv), forward, backward)
