"""A convolution in bfloat16 with sums in float32, for CPUs with AVX-512 BF16."""

import ctypes
from functools import cache

import torch
from torch import Tensor

from normbench.kernels.graph import Kernel
from normbench.kernels.library import library
from normbench.kernels.op import Images, Plan
from normbench.kernels.structs import ConvDesc

CHANNELS, COLOURS = (16, 32), 3


def convolve(images: Images, weight: Tensor, bias: Tensor | None) -> Kernel | None:
    """y = w * x + b at stride 1 with borders of zeros that keep the size: what autocast to bfloat16 computes.

    -> bfloat16 [N, O, H, W]. w is rounded to bfloat16, b is not; sums are float32, as are the gradients of w and b. The
    number of threads changes no bit.

    None where there is no kernel: unless the CPU multiplies bfloat16, weight is float32 [O, C, K, K] and bias float32
    [O] or None, C and O are 16 or 32 and K is 1 or 3, and x is bfloat16; or else C = 3, O = 16, K = 3 and x is in
    float32, of which no gradient is wanted.
    """
    shape, dtype, values = images
    if not (weight.is_contiguous() or weight.is_contiguous(memory_format=torch.channels_last)):
        weight = weight.contiguous()  # so that its gradient can have its strides
    bias = torch.zeros(len(weight)) if bias is None else bias.contiguous()
    if weight.dtype != torch.float32 or bias.dtype != torch.float32 or not weight.is_cpu:
        return None
    plan = _plan(shape, dtype, weight.shape, weight.stride())
    if plan is None or (plan.name == "stem" and (values is None or values.requires_grad)):
        return None
    return Kernel(plan, (weight, bias))


@cache
def _has_conv() -> bool:
    kernels = library()
    if kernels is None or not kernels.has_conv():
        return False
    for name in ("conv", "stem"):
        for size in ("workspace_bytes", "thread_workspace_bytes"):
            getattr(kernels, f"{name}_{size}").restype = ctypes.c_int64
    return True


@cache
def _plan(shape: tuple[int, ...], dtype: torch.dtype, weight: torch.Size, strides: tuple[int, ...]) -> Plan | None:
    images, channels, height, width = shape
    outputs, inputs, size, _ = weight
    name = "stem" if inputs == COLOURS else "conv"
    if name == "stem":
        known = weight == (CHANNELS[0], inputs, 3, 3) and dtype == torch.float32
    else:
        known = (
            inputs in CHANNELS and outputs in CHANNELS and weight[2:] in ((1, 1), (3, 3)) and dtype == torch.bfloat16
        )
    if not known or channels != inputs or not _has_conv():
        return None
    conv = ConvDesc(images, height, width, inputs, outputs, size, strides)
    kernels = library()
    scratch = getattr(kernels, f"{name}_workspace_bytes")(ctypes.byref(conv))
    shared = getattr(kernels, f"{name}_thread_workspace_bytes")(ctypes.byref(conv))
    x = Images(shape, dtype)
    y = Images((images, outputs, height, width), torch.bfloat16)
    return Plan(name, conv, x, y, num_parameters=2, scratch=scratch, shared=shared)
