"""Norms with a built-in activation: filter response norm and EvoNorm-S0.

These layers have the attribute `has_activation`, and a network puts no ReLU after them. Both papers design norm and
activation as one layer; each docstring states which part of it a ReLU would undo.
"""

import torch
from torch import Tensor, nn

from normbench.norms.factory import ChannelAffine, NormFactory, check_eps, check_groups, count_groups, in_float32


def frn(*, eps: float = 1e-6, affine: bool = True) -> NormFactory:
    """Filter response norm: each channel of each image over its root mean square, then cut at a learned threshold.

    y = max(γ_c x / sqrt(ν_nc + eps) + β_c, τ_c), with ν the mean of x² over the axes (H, W), one value for an image and
    a channel; the same in training and in eval mode. The max is the paper's thresholded linear unit (TLU).

    No ReLU follows: max(.., τ_c, 0) does not depend on a τ_c below 0, which would get no gradient. As τ starts at 0, it
    would stay there, and the norm would be measured without its TLU.

    Learns γ [C], β [C] and τ [C], which stays without affine; stores nothing.
    Singh & Krishnan 2020, arXiv:1911.09737. Raises ConfigError for eps <= 0.
    """
    check_eps(eps)
    return lambda num_channels, size: FilterResponseNorm2d(num_channels, eps, affine)


def evo_s0(
    *, num_groups: int = 4, channels_per_group: int | None = None, eps: float = 1e-5, affine: bool = True
) -> NormFactory:
    """EvoNorm-S0: a learned swish over the standard deviation of each group of channels.

    y = γ_c x sigmoid(v_c x) / sqrt(σ²_ng + eps) + β_c, with σ² over the axes (C / num_groups, H, W), one value for an
    image n and a group g of neighbouring channels; the same in training and in eval mode. The mean is not subtracted.
    `channels_per_group` as in `gn`.

    No ReLU follows: without its negative values the swish is nearly a ReLU itself.

    Learns γ [C], β [C] and v [C], which starts at 1 and stays without affine; stores nothing.
    Liu et al. 2020, arXiv:2004.02967. Raises ConfigError for eps <= 0, for num_groups or channels_per_group < 1, and
    for both; the factory raises ChannelCountError for a channel count that they do not divide.
    """
    check_eps(eps)
    check_groups(num_groups, channels_per_group)

    def layer(num_channels: int, size: tuple[int, int]) -> nn.Module:
        return EvoNorm2dS0(count_groups(num_channels, num_groups, channels_per_group), num_channels, eps, affine)

    return layer


class FilterResponseNorm2d(ChannelAffine):
    """See `frn`."""

    has_activation = True

    def __init__(self, num_channels: int, eps: float, affine: bool) -> None:
        super().__init__(num_channels, affine)
        self.eps = eps
        self.tau = nn.Parameter(torch.zeros(num_channels))

    def forward(self, x: Tensor) -> Tensor:
        wide = in_float32(x)
        scale = torch.rsqrt(wide.square().mean((2, 3), keepdim=True) + self.eps)
        tau = self.tau[:, None, None]
        # max(z, τ) = relu(z − τ) + τ. The backward pass of a broadcast maximum takes several times as long.
        gamma, beta = self.gamma_beta(wide)
        return (torch.addcmul(beta - tau, wide, gamma * scale).relu_() + tau).to(x.dtype)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, eps={self.eps}"


class EvoNorm2dS0(ChannelAffine):
    """See `evo_s0`."""

    has_activation = True

    def __init__(self, num_groups: int, num_channels: int, eps: float, affine: bool) -> None:
        super().__init__(num_channels, affine)
        self.num_groups, self.eps = num_groups, eps
        self.v = nn.Parameter(torch.ones(num_channels))

    def forward(self, x: Tensor) -> Tensor:
        wide = in_float32(x)
        centered = wide - self._over_group(wide.mean((2, 3), keepdim=True))
        scale = torch.rsqrt(self._over_group(centered.square().mean((2, 3), keepdim=True)) + self.eps)
        swish = wide * torch.sigmoid(wide * self.v[:, None, None])
        gamma, beta = self.gamma_beta(wide)
        return torch.addcmul(beta, swish, gamma * scale).to(x.dtype)

    def _over_group(self, values: Tensor) -> Tensor:
        """The mean over the group of each channel: [N, C, 1, 1] -> [N, C, 1, 1]."""
        means = values.unflatten(1, (self.num_groups, -1)).mean(2)
        return means.repeat_interleave(self.num_channels // self.num_groups, dim=1)

    def extra_repr(self) -> str:
        return f"{self.num_groups}, {super().extra_repr()}, eps={self.eps}"
