"""Norms that come with an activation of their own: filter response norm and EvoNorm-S0.

Such a layer says so with `has_activation`, and the network leaves out its ReLU behind it: these two are made to stand
for norm and activation together, and a ReLU would undo part of them, as is said with each.
"""

from typing import Any

import torch
from torch import Tensor, nn

from normbench.kernels import Images, Kernel, evo_norm, filter_response
from normbench.norms.affine import ChannelAffine
from normbench.norms.compiled import CompiledNorm, fits
from normbench.norms.factory import NormFactory, check_at_least, check_divides, check_eps, in_float32


def frn(*, eps: float = 1e-6, affine: bool = True) -> NormFactory:
    """Filter response norm: each channel of each image over its root mean square, then cut at a learned threshold.

    y = max(γ_c x / sqrt(ν_nc + eps) + β_c, τ_c), with ν the mean of x² over the axes (H, W), one value for an image and
    a channel; the same in training and in eval mode. The max is the paper's thresholded linear unit (TLU).

    No ReLU follows. It would make this max(.., τ_c, 0), in which a τ at or below 0 changes nothing and gets no
    gradient; as τ starts at 0 it would stay there, and what is measured would be the norm without its TLU.

    Learns γ [C], β [C] and τ [C], which stays without affine; stores nothing.
    Singh & Krishnan 2020, arXiv:1911.09737. Raises ConfigError for eps <= 0.
    """
    check_eps(eps)
    return lambda num_channels, size: FilterResponseNorm2d(num_channels, eps, affine)


def evo_s0(*, num_groups: int = 4, eps: float = 1e-5, affine: bool = True) -> NormFactory:
    """EvoNorm-S0: a learned swish over the standard deviation of each group of channels.

    y = γ_c x sigmoid(v_c x) / sqrt(σ²_ng + eps) + β_c, with σ² over the axes (C / num_groups, H, W), one value for an
    image n and a group g of neighbouring channels; the same in training and in eval mode. The mean is not subtracted.

    No ReLU follows: it would cut off the swish's values below 0, and so make it nearly a ReLU itself.

    Learns γ [C], β [C] and v [C], which starts at 1 and stays without affine; stores nothing.
    Liu et al. 2020, arXiv:2004.02967. Raises ConfigError for eps <= 0 or num_groups < 1; the factory raises
    ChannelCountError when num_groups does not divide a layer's channel count.
    """
    check_eps(eps)
    check_at_least("num_groups", num_groups, 1)

    def layer(num_channels: int, size: tuple[int, int]) -> nn.Module:
        check_divides(num_groups, num_channels)
        return EvoNorm2dS0(num_groups, num_channels, eps, affine)

    return layer


class FilterResponseNorm2d(CompiledNorm, ChannelAffine):
    """See `frn`."""

    has_activation = True

    def __init__(self, num_channels: int, eps: float, affine: bool) -> None:
        super().__init__(num_channels, affine)
        self.eps = eps
        self.tau = nn.Parameter(torch.zeros(num_channels))

    def forward(self, x: Tensor) -> Tensor:
        if (y := self.by_kernel(x)) is not None:
            return y
        wide = in_float32(x)
        scale = torch.rsqrt(wide.square().mean((2, 3), keepdim=True) + self.eps)
        tau = self.tau[:, None, None]
        # max(z, τ) = relu(z − τ) + τ, whose backward pass is several times cheaper than that of a broadcast maximum.
        gamma, beta = self.gamma_beta(wide)
        return (torch.addcmul(beta - tau, wide, gamma * scale).relu_() + tau).to(x.dtype)

    def kernel(self, images: Images, **behind: Any) -> Kernel | None:
        if not fits(self, images, self.num_channels):
            return None
        return filter_response(images, self.weight, self.bias, self.tau, self.eps, **behind)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, eps={self.eps}"


class EvoNorm2dS0(CompiledNorm, ChannelAffine):
    """See `evo_s0`."""

    has_activation = True

    def __init__(self, num_groups: int, num_channels: int, eps: float, affine: bool) -> None:
        super().__init__(num_channels, affine)
        self.num_groups, self.eps = num_groups, eps
        self.v = nn.Parameter(torch.ones(num_channels))

    def forward(self, x: Tensor) -> Tensor:
        if (y := self.by_kernel(x)) is not None:
            return y
        wide = in_float32(x)
        centered = wide - self._over_group(wide.mean((2, 3), keepdim=True))
        scale = torch.rsqrt(self._over_group(centered.square().mean((2, 3), keepdim=True)) + self.eps)
        swish = wide * torch.sigmoid(wide * self.v[:, None, None])
        gamma, beta = self.gamma_beta(wide)
        return torch.addcmul(beta, swish, gamma * scale).to(x.dtype)

    def kernel(self, images: Images, **behind: Any) -> Kernel | None:
        if not fits(self, images, self.num_channels):
            return None
        return evo_norm(images, self.weight, self.bias, self.v, self.num_groups, self.eps, **behind)

    def _over_group(self, values: Tensor) -> Tensor:
        """The mean over each group of channels, once for each channel: [N, C, 1, 1] -> the same."""
        means = values.unflatten(1, (self.num_groups, -1)).mean(2)
        return means.repeat_interleave(self.num_channels // self.num_groups, dim=1)

    def extra_repr(self) -> str:
        return f"{self.num_groups}, {super().extra_repr()}, eps={self.eps}"
