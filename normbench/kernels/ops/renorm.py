"""Batch renormalization with its epilogue."""

from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from normbench.kernels.graph import Kernel
from normbench.kernels.op import Images, Plan
from normbench.kernels.ops.norm import Sets, affine, layer_of
from normbench.kernels.structs import RenormDesc


@dataclass(frozen=True)
class Bounds:
    """r_max and d_max grow linearly between warmup_steps and r_steps or d_steps, from 1 and 0 to these values."""

    r_max: float
    d_max: float
    warmup_steps: int
    r_steps: int
    d_steps: int


def renormalize(
    images: Images,
    weight: Tensor | None,
    bias: Tensor | None,
    buffers: tuple[Tensor, Tensor, Tensor],
    bounds: Bounds,
    eps: float,
    momentum: float,
    *,
    relu: bool = False,
    drop: int = 0,
) -> Kernel:
    """y = dropout(relu(γ (x̂ r + d) + β)), with x̂, r and d as in `normbench.norms.renorm`, in training.

    For images as `can_normalize` allows them -> the same shape and dtype. `buffers` are running_mean and running_std,
    float32 [C], and num_batches_tracked, int64 []: each forward pass moves them once.
    """
    shape, dtype, _ = images
    plan = _plan(shape, dtype, bounds, eps, momentum, relu, drop)
    return Kernel(plan, affine(shape[1], weight, bias), buffers)


@cache
def _plan(
    shape: tuple[int, ...],
    dtype: torch.dtype,
    bounds: Bounds,
    eps: float,
    momentum: float,
    relu: bool,
    drop: int,
) -> Plan:
    images, (num_images, num_channels, *_) = Images(shape, dtype), shape
    norm = layer_of(images, Sets(num_images, num_channels), eps, relu, drop, momentum)
    b = bounds
    return Plan(
        "renorm",
        RenormDesc(norm, b.r_max, b.d_max, b.warmup_steps, b.r_steps, b.d_steps),
        images,
        images,
        num_parameters=2,
        num_buffers=3,
        kept=4 * 6 * num_channels,  # mean, rstd, γ r, γ d + β, r, d
        scratch=4 * (2 * num_images * num_channels + 2 * norm.num_regions),
        reads_y=drop > 0,
        reads_several=True,
    )
