"""Norms that take each image or each pixel by itself, with what follows them.

All for images as `can_normalize` allows them -> the same shape and dtype; parameters are [C], and rounding comes last.
An image's sums are its own: the number of threads changes no bit.
"""

from functools import cache

import torch
from torch import Tensor

from normbench.kernels.graph import Kernel
from normbench.kernels.op import Images, Plan
from normbench.kernels.ops.norm import ONE_IMAGE, Sets, affine, layer_of


def layer_norm(
    images: Images,
    weight: Tensor | None,
    bias: Tensor | None,
    eps: float,
    *,
    relu: bool = False,
    drop: int = 0,
) -> Kernel:
    """y = dropout(relu(γ (x − μ) / sqrt(σ² + eps) + β)), with μ and σ² of the channels of a pixel."""
    return _kernel("layer_norm", images, affine(images.shape[1], weight, bias), drop, eps=eps, relu=relu)


def root_mean_square(images: Images, weight: Tensor | None, eps: float, *, relu: bool = False, drop: int = 0) -> Kernel:
    """y = dropout(relu(γ x / sqrt(ρ + eps))), with ρ the mean of x² over the channels of a pixel."""
    return _kernel("root_mean_square", images, affine(images.shape[1], weight, None), drop, eps=eps, relu=relu)


def filter_response(
    images: Images, weight: Tensor | None, bias: Tensor | None, tau: Tensor, eps: float, *, drop: int = 0
) -> Kernel:
    """y = dropout(max(γ x / sqrt(ν + eps) + β, τ)), with ν the mean of x² over the pixels of an image's channel."""
    return _kernel("filter_response", images, (*affine(images.shape[1], weight, bias), tau), drop, eps=eps)


def evo_norm(
    images: Images,
    weight: Tensor | None,
    bias: Tensor | None,
    v: Tensor,
    num_groups: int,
    eps: float,
    *,
    drop: int = 0,
) -> Kernel:
    """y = dropout(γ x sigmoid(v x) / sqrt(σ² + eps) + β), with the biased σ² of a group of an image's channels."""
    parameters = (*affine(images.shape[1], weight, bias), v)
    return _kernel("evo_norm", images, parameters, drop, Sets(1, num_groups), eps=eps)


def dynamic_tanh(
    images: Images,
    weight: Tensor | None,
    bias: Tensor | None,
    alpha: Tensor,
    *,
    relu: bool = False,
    drop: int = 0,
) -> Kernel:
    """y = dropout(relu(γ tanh(α x) + β)), with one α, [1]."""
    num_channels = images.shape[1]
    parameters = (*affine(num_channels, weight, bias), alpha.expand(num_channels).contiguous())
    return _kernel("dynamic_tanh", images, parameters, drop, relu=relu)


def identity(images: Images, *, relu: bool = False, drop: int = 0) -> Kernel:
    """y = dropout(relu(x)): what follows a norm, without one."""
    return _kernel("identity", images, (), drop, relu=relu)


def _kernel(
    name: str,
    images: Images,
    parameters: tuple[Tensor, ...],
    drop: int,
    sets: Sets = ONE_IMAGE,
    eps: float = 0.0,
    relu: bool = False,
) -> Kernel:
    shape, dtype, _ = images
    plan = _plan(name, shape, dtype, len(parameters), sets, eps, relu, drop)
    return Kernel(plan, parameters)


@cache
def _plan(
    name: str,
    shape: tuple[int, ...],
    dtype: torch.dtype,
    num_parameters: int,
    sets: Sets,
    eps: float,
    relu: bool,
    drop: int,
) -> Plan:
    images = Images(shape, dtype)
    layer = layer_of(images, sets, eps, relu, drop)
    scratch = 4 * num_parameters * shape[0] * shape[1]
    return Plan(name, layer, images, images, num_parameters=num_parameters, scratch=scratch)
