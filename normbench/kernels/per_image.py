"""Norms that take each image or each pixel by itself, with what follows them, forward and backward.

All for x as `can_normalize` allows it -> the same shape, dtype and layout; parameters are [C], and rounding comes last.
An image's sums are its own: the number of threads changes no bit.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from normbench.kernels.norm import NO_DROP, ONE_IMAGE, Drop, Layer, Sets, call, layer_of


def layer_norm(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float, *, relu: bool = False, drop: Drop = NO_DROP
) -> Tensor:
    """y = dropout(relu(γ (x − μ) / sqrt(σ² + eps) + β)), with μ and σ² of the channels of a pixel."""
    return _apply("layer_norm", x, [*_affine(x, weight, bias)], layer_of(x, ONE_IMAGE, eps, relu, drop))


def root_mean_square(
    x: Tensor, weight: Tensor | None, eps: float, *, relu: bool = False, drop: Drop = NO_DROP
) -> Tensor:
    """y = dropout(relu(γ x / sqrt(ρ + eps))), with ρ the mean of x² over the channels of a pixel."""
    return _apply("root_mean_square", x, [*_affine(x, weight, None)], layer_of(x, ONE_IMAGE, eps, relu, drop))


def filter_response(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, tau: Tensor, eps: float, *, drop: Drop = NO_DROP
) -> Tensor:
    """y = dropout(max(γ x / sqrt(ν + eps) + β, τ)), with ν the mean of x² over the pixels of an image's channel."""
    return _apply("filter_response", x, [*_affine(x, weight, bias), tau], layer_of(x, ONE_IMAGE, eps, False, drop))


def evo_norm(
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    v: Tensor,
    num_groups: int,
    eps: float,
    *,
    drop: Drop = NO_DROP,
) -> Tensor:
    """y = dropout(γ x sigmoid(v x) / sqrt(σ² + eps) + β), with the biased σ² of a group of an image's channels."""
    layer = layer_of(x, Sets(1, num_groups), eps, False, drop)
    return _apply("evo_norm", x, [*_affine(x, weight, bias), v], layer)


def dynamic_tanh(
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    alpha: Tensor,
    *,
    relu: bool = False,
    drop: Drop = NO_DROP,
) -> Tensor:
    """y = dropout(relu(γ tanh(α x) + β)), with one α, [1]."""
    parameters = [*_affine(x, weight, bias), alpha.expand(x.shape[1])]
    return _apply("dynamic_tanh", x, parameters, layer_of(x, ONE_IMAGE, 0.0, relu, drop))


def identity(x: Tensor, *, relu: bool = False, drop: Drop = NO_DROP) -> Tensor:
    """y = dropout(relu(x)): what follows a norm, without one."""
    return _apply("identity", x, [], layer_of(x, ONE_IMAGE, 0.0, relu, drop))


def _affine(x: Tensor, weight: Tensor | None, bias: Tensor | None) -> tuple[Tensor, Tensor]:
    num_channels = x.shape[1]
    return (
        torch.ones(num_channels) if weight is None else weight,
        torch.zeros(num_channels) if bias is None else bias,
    )


def _apply(name: str, x: Tensor, parameters: list[Tensor], layer: Layer) -> Tensor:
    stacked = torch.stack(parameters).float() if parameters else torch.empty(0, x.shape[1])
    out: Tensor = _PerImage.apply(x, stacked, name, layer)
    return out


class _PerImage(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, parameters: Tensor, name: str, layer: Layer) -> Tensor:
        """parameters: float32 [P, C]."""
        y = torch.empty_like(x)
        call(f"{name}_forward", layer, x, parameters, y)
        ctx.save_for_backward(x, parameters)
        ctx.name, ctx.layer = name, layer
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_y: Tensor) -> tuple[Tensor | None, ...]:
        x, parameters = ctx.saved_tensors
        d_x, d_parameters = torch.empty_like(x), torch.empty(1 + x.shape[0], *parameters.shape)
        d_y = d_y.contiguous(memory_format=torch.channels_last)
        call(f"{ctx.name}_backward", ctx.layer, x, d_y, parameters, d_x, d_parameters)
        return d_x, d_parameters[0], None, None
