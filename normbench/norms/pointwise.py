"""What takes no statistics: dynamic tanh, and no norm at all."""

from typing import Any

import torch
from torch import Tensor, nn

from normbench.errors import ConfigError
from normbench.kernels import Images, Kernel, can_normalize, dynamic_tanh, identity
from normbench.norms.affine import ChannelAffine
from normbench.norms.compiled import CompiledNorm, fits
from normbench.norms.factory import NormFactory, in_float32


def dyt(*, alpha: float = 0.5, affine: bool = True) -> NormFactory:
    """Dynamic tanh: each value is squashed by itself, without any statistics.

    y = γ_c tanh(α x) + β_c, over no axes, with one α for all channels that starts at the option `alpha`; the same in
    training and in eval mode.

    Learns γ [C], β [C] and α [1], which stays without affine; stores nothing.
    Zhu, Chen, He, LeCun & Liu 2025, arXiv:2503.10622. Raises ConfigError for alpha <= 0.
    """
    if not alpha > 0:
        raise ConfigError(f"norm.alpha (where the learned slope of tanh starts) must be above 0, not {alpha}")
    return lambda num_channels, size: DynamicTanh(num_channels, alpha, affine)


def none() -> NormFactory:
    """No norm: what the others are worth is seen against it.

    y = x, over no axes; learns and stores nothing.
    """
    return lambda num_channels, size: Identity()


class DynamicTanh(CompiledNorm, ChannelAffine):
    """See `dyt`."""

    def __init__(self, num_channels: int, alpha: float, affine: bool) -> None:
        super().__init__(num_channels, affine)
        self.alpha = nn.Parameter(torch.full((1,), alpha))

    def forward(self, x: Tensor) -> Tensor:
        if (y := self.by_kernel(x)) is not None:
            return y
        # tanh(a) = 2 sigmoid(2a) − 1: on a CPU PyTorch's tanh takes six times as long as its sigmoid.
        half = torch.sigmoid(in_float32(x) * (2 * self.alpha))
        gamma, beta = self.gamma_beta(half)
        return torch.addcmul(beta - gamma, half, 2 * gamma).to(x.dtype)

    def kernel(self, images: Images, **behind: Any) -> Kernel | None:
        if not fits(self, images, self.num_channels):
            return None
        return dynamic_tanh(images, self.weight, self.bias, self.alpha, **behind)


class Identity(CompiledNorm, nn.Identity):
    """See `none`. By itself it does nothing; its kernel computes the ReLU and the dropout behind it."""

    def kernel(self, images: Images, **behind: Any) -> Kernel | None:
        return identity(images, **behind) if can_normalize(images) else None
