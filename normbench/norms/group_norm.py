"""Norms with statistics of one image over groups of its channels: group norm, layer norm, instance norm."""

from torch import Tensor, nn
from torch.nn import functional as F

from normbench.norms.factory import NormFactory, check_eps, check_groups, count_groups, is_channels_last


def gn(
    *, num_groups: int = 4, channels_per_group: int | None = None, eps: float = 1e-5, affine: bool = True
) -> NormFactory:
    """Group norm: each image's channels are split into groups, each normalized with its own mean and variance.

    y = γ_c (x − μ_ng) / sqrt(σ²_ng + eps) + β_c, with μ, σ² over the axes (C / num_groups, H, W), one pair for an
    image n and a group g of neighbouring channels; the same in training and in eval mode. With `channels_per_group`
    instead, groups have that size in every layer, for networks whose widths no number of groups divides well.

    Learns γ [C], β [C]; stores nothing.
    Wu & He 2018, arXiv:1803.08494. Raises ConfigError for eps <= 0, for num_groups or channels_per_group < 1, and for
    both; the factory raises ChannelCountError for a channel count that they do not divide.
    """
    check_eps(eps)
    check_groups(num_groups, channels_per_group)

    def layer(num_channels: int, size: tuple[int, int]) -> nn.Module:
        groups = count_groups(num_channels, num_groups, channels_per_group)
        return nn.GroupNorm(groups, num_channels, eps=eps, affine=affine)

    return layer


def ln(*, eps: float = 1e-5, affine: bool = True) -> NormFactory:
    """Layer norm of convolutional networks: each image is normalized as a whole, γ and β are per channel.

    y = γ_c (x − μ_n) / sqrt(σ²_n + eps) + β_c, with μ, σ² over the axes (C, H, W), one pair an image: group norm with
    one group; the same in training and in eval mode.

    Learns γ [C], β [C]; stores nothing.
    Ba, Kiros & Hinton 2016, arXiv:1607.06450; as GroupNorm(1, C): Wu & He 2018, arXiv:1803.08494, section 3.1.
    Raises ConfigError for eps <= 0.
    """
    check_eps(eps)
    return lambda num_channels, size: nn.GroupNorm(1, num_channels, eps=eps, affine=affine)


def instance(*, eps: float = 1e-5, affine: bool = True) -> NormFactory:
    """Instance norm: each channel of each image is normalized with its own mean and variance.

    y = γ_c (x − μ_nc) / sqrt(σ²_nc + eps) + β_c, with μ, σ² over the axes (H, W), one pair for an image and a channel:
    group norm with C groups; the same in training and in eval mode. Unlike in PyTorch `affine` is on by default: `in`
    learns as many parameters as the other norms.

    Learns γ [C], β [C]; stores nothing.
    Ulyanov, Vedaldi & Lempitsky 2016, arXiv:1607.08022. Raises ConfigError for eps <= 0; the layer raises ValueError
    for images of one pixel in training.
    """
    check_eps(eps)
    return lambda num_channels, size: InstanceNorm2d(num_channels, eps=eps, affine=affine)


class InstanceNorm2d(nn.InstanceNorm2d):
    """See `instance`; [N, C, H, W] -> the same, in the memory layout of its input."""

    def forward(self, x: Tensor) -> Tensor:
        if x.device.type == "cpu" and is_channels_last(x) and not x.is_contiguous():
            # PyTorch's instance norm gives such images, and their gradients, the default layout.
            return F.group_norm(x, self.num_features, self.weight, self.bias, self.eps)
        return super().forward(x)
