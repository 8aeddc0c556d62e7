"""Layers in the place of a norm that take no statistics: dynamic tanh, and no norm at all."""

import torch
from torch import Tensor, nn

from normbench.errors import ConfigError
from normbench.norms.factory import ChannelAffine, NormFactory, in_float32


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
    return lambda num_channels, size: nn.Identity()


class DynamicTanh(ChannelAffine):
    """See `dyt`."""

    def __init__(self, num_channels: int, alpha: float, affine: bool) -> None:
        super().__init__(num_channels, affine)
        self.alpha = nn.Parameter(torch.full((1,), alpha))

    def forward(self, x: Tensor) -> Tensor:
        squashed = torch.tanh(self.alpha * in_float32(x))
        gamma, beta = self.gamma_beta(squashed)
        return torch.addcmul(beta, gamma, squashed).to(x.dtype)
