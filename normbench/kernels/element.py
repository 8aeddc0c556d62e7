"""Layer norm of whole images with a weight and a bias for each element, forward and backward."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from normbench.kernels.norm import NO_DROP, ONE_IMAGE, Drop, Layer, call, layer_of


def normalize_elements(
    x: Tensor, weight: Tensor, bias: Tensor, eps: float, *, relu: bool = False, drop: Drop = NO_DROP
) -> Tensor:
    """y = dropout(relu(γ (x − μ) / sqrt(σ² + eps) + β)), with μ and σ² of an image; γ and β are [C, H, W].

    x as `can_normalize` allows it -> the same shape, dtype and layout. Dropout only behind a ReLU.
    """
    # In the order of the images' memory.
    affine = (part.permute(1, 2, 0).contiguous() for part in (weight, bias))
    out: Tensor = _NormalizeElements.apply(x, *affine, layer_of(x, ONE_IMAGE, eps, relu, drop))
    return out


class _NormalizeElements(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, layer: Layer) -> Tensor:
        """weight and bias: float32 [H, W, C]."""
        y, statistics = torch.empty_like(x), torch.empty(x.shape[0], 2)
        call("element_forward", layer, x, weight, bias, y, statistics)
        # Where y is 0, no gradient comes through. Without a ReLU it is not read, and may be changed in place.
        ctx.save_for_backward(x, y if layer.relu else x, weight, statistics)
        ctx.layer = layer
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_y: Tensor) -> tuple[Tensor | None, ...]:
        x, y, weight, statistics = ctx.saved_tensors
        d_x, d_weight, d_bias = torch.empty_like(x), torch.empty_like(weight), torch.empty_like(weight)
        d_y = d_y.contiguous(memory_format=torch.channels_last)
        call("element_backward", ctx.layer, x, y, d_y, weight, statistics, d_x, d_weight, d_bias)
        return d_x, d_weight, d_bias, None
