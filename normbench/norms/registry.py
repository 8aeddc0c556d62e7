"""Normalization layers by name.

Every norm here computes y = γ (x − μ) / sqrt(σ² + eps) + β on x [N, C, H, W]. They differ in the axes over which the
mean μ and the biased variance σ² are taken, and in the shape of the learned γ (starts at 1) and β (starts at 0).
None of them draws a random number.

To add one: a function whose keyword-only parameters are its options, a line in NORMS and, for a layer class that is
not there yet, one in NORM_LAYERS.
"""

import math
from collections.abc import Callable, Sequence

from torch import nn

from normbench.errors import ConfigError
from normbench.norms.group_norm import GroupNorm

NormFactory = Callable[[int, tuple[int, int]], nn.Module]
"""(num_channels, (height, width)) of the layer's input -> the layer, [N, C, H, W] -> [N, C, H, W]."""


class ChannelCountError(ConfigError):
    """A norm's option must divide every channel count of the network, and does not.

    A factory sees one layer; a network that catches this raises `for_network` of it, with all its channel counts.
    """

    def __init__(self, option: str, value: int, channels: Sequence[int]) -> None:
        self.option, self.value = option, value
        allowed = [divisor for divisor in range(1, min(channels) + 1) if math.gcd(*channels) % divisor == 0]
        counts = ", ".join(map(str, channels))
        super().__init__(
            f"norm.{option}: {value} does not divide the channel counts of the network's norm layers ({counts}); "
            f"allowed: {', '.join(map(str, allowed))}"
        )

    def for_network(self, channels: Sequence[int]) -> "ChannelCountError":
        return ChannelCountError(self.option, self.value, channels)


def bn(*, eps: float = 1e-5, momentum: float = 0.1, affine: bool = True) -> NormFactory:
    """Batch norm: each channel is normalized with its mean and variance over the batch.

    y = γ_c (x − μ_c) / sqrt(σ²_c + eps) + β_c, with μ, σ² over the axes (N, H, W), one pair a channel.
    In training they come from the batch, and the running ones move: r ← (1 − momentum) r + momentum · batch, the
    variance with n / (n − 1) (unbiased) where n = N·H·W. In eval mode the running ones are used instead.

    Learns γ [C], β [C]; stores running_mean [C], running_var [C] and num_batches_tracked.
    Ioffe & Szegedy 2015, arXiv:1502.03167. Raises ConfigError for eps <= 0 or momentum outside (0, 1].
    """
    _check_eps(eps)
    if not 0 < momentum <= 1:
        raise ConfigError(f"norm.momentum (the newest batch's share) must be above 0 and at most 1, not {momentum}")
    return lambda num_channels, size: nn.BatchNorm2d(num_channels, eps=eps, momentum=momentum, affine=affine)


def gn(*, num_groups: int = 4, eps: float = 1e-5, affine: bool = True) -> NormFactory:
    """Group norm: each image's channels are split into groups, each normalized with its own mean and variance.

    y = γ_c (x − μ_ng) / sqrt(σ²_ng + eps) + β_c, with μ, σ² over the axes (C / num_groups, H, W), one pair for an
    image n and a group g of neighbouring channels; the same in training and in eval mode.

    Learns γ [C], β [C]; stores nothing.
    Wu & He 2018, arXiv:1803.08494. Raises ConfigError for eps <= 0 or num_groups < 1; the factory raises
    ChannelCountError when num_groups does not divide a layer's channel count.
    """
    _check_eps(eps)
    if num_groups < 1:
        raise ConfigError(f"norm.num_groups must be at least 1, not {num_groups}")

    def layer(num_channels: int, size: tuple[int, int]) -> nn.Module:
        if num_channels % num_groups:
            raise ChannelCountError("num_groups", num_groups, [num_channels])
        return GroupNorm(num_groups, num_channels, eps=eps, affine=affine)

    return layer


def ln(*, eps: float = 1e-5, affine: bool = True) -> NormFactory:
    """Layer norm as convolutional networks use it: each image is normalized as a whole, γ and β are per channel.

    y = γ_c (x − μ_n) / sqrt(σ²_n + eps) + β_c, with μ, σ² over the axes (C, H, W), one pair an image: group norm with
    one group; the same in training and in eval mode.

    Learns γ [C], β [C]; stores nothing.
    Ba, Kiros & Hinton 2016, arXiv:1607.06450; as GroupNorm(1, C): Wu & He 2018, arXiv:1803.08494, section 3.1.
    Raises ConfigError for eps <= 0.
    """
    _check_eps(eps)
    return lambda num_channels, size: nn.GroupNorm(1, num_channels, eps=eps, affine=affine)


def ln_chw(*, eps: float = 1e-5, affine: bool = True) -> NormFactory:
    """Layer norm as `nn.LayerNorm([C, H, W])`: each image is normalized as a whole, γ and β are per element.

    y = γ_chw (x − μ_n) / sqrt(σ²_n + eps) + β_chw, with μ, σ² over the axes (C, H, W), one pair an image; the same in
    training and in eval mode. Ties the network to one image size.

    Learns γ [C, H, W], β [C, H, W], which is H·W times what `ln` learns; stores nothing.
    Ba, Kiros & Hinton 2016, arXiv:1607.06450. Raises ConfigError for eps <= 0.
    """
    _check_eps(eps)
    return lambda num_channels, size: nn.LayerNorm([num_channels, *size], eps=eps, elementwise_affine=affine)


def instance(*, eps: float = 1e-5, affine: bool = True) -> NormFactory:
    """Instance norm: each channel of each image is normalized with its own mean and variance.

    y = γ_c (x − μ_nc) / sqrt(σ²_nc + eps) + β_c, with μ, σ² over the axes (H, W), one pair for an image and a channel:
    group norm with C groups; the same in training and in eval mode. `affine` is on, unlike PyTorch's default, so that
    it learns as much as the other norms.

    Learns γ [C], β [C]; stores nothing.
    Ulyanov, Vedaldi & Lempitsky 2016, arXiv:1607.08022. Raises ConfigError for eps <= 0.
    """
    _check_eps(eps)
    return lambda num_channels, size: nn.InstanceNorm2d(num_channels, eps=eps, affine=affine)


def none() -> NormFactory:
    """No norm: y = x, over no axes; learns and stores nothing. What the others are worth is seen against it."""
    return lambda num_channels, size: nn.Identity()


def _check_eps(eps: float) -> None:
    if not eps > 0:
        raise ConfigError(f"norm.eps must be above 0 (it keeps a constant input from a division by 0), not {eps}")


NORMS: dict[str, Callable[..., NormFactory]] = {
    "bn": bn,
    "gn": gn,
    "ln": ln,
    "ln-chw": ln_chw,
    "in": instance,
    "none": none,
}

NORM_LAYERS: tuple[type[nn.Module], ...] = (nn.BatchNorm2d, nn.GroupNorm, nn.LayerNorm, nn.InstanceNorm2d)
"""The classes the factories build, by which a network's norm layers are recognised and counted."""
