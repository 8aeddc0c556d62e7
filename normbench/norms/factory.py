"""What a norm is: options -> a factory of layers; with the checks and the affine parameters that norms share."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from normbench.errors import ConfigError

NormFactory = Callable[[int, tuple[int, int]], nn.Module]
"""(num_channels, (height, width)) of the layer's input -> the layer, [N, C, H, W] -> [N, C, H, W]."""

Norm = Callable[..., NormFactory]
"""Keyword-only options -> a factory."""


@dataclass(frozen=True)
class ChosenNorm:
    """A NormFactory that knows which options were chosen for it, others than the norm's defaults.

    A layer that takes the place of another keeps the settings of the other where none was chosen.
    """

    make: NormFactory
    own_options: frozenset[str]

    def __call__(self, num_channels: int, size: tuple[int, int]) -> nn.Module:
        return self.make(num_channels, size)


class ChannelCountError(ConfigError):
    """A norm's option must divide every channel count of the network, and does not.

    A factory knows the channel count of one layer only. A network catches this error and raises `for_network` instead,
    with the channel counts of all its norm layers.
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


def check_eps(eps: float) -> None:
    """Raises ConfigError unless eps > 0."""
    if not eps > 0:
        raise ConfigError(f"norm.eps must be above 0 (it keeps a constant input from a division by 0), not {eps}")


def check_momentum(momentum: float) -> None:
    """Raises ConfigError for a momentum outside (0, 1]."""
    if not 0 < momentum <= 1:
        raise ConfigError(f"norm.momentum (the newest batch's share) must be above 0 and at most 1, not {momentum}")


def check_at_least(option: str, value: float, least: float) -> None:
    """Raises ConfigError, which names the option, for a value below `least`."""
    if not value >= least:
        raise ConfigError(f"norm.{option} must be at least {least}, not {value}")


USUAL_GROUPS = 4
"""The default of num_groups."""


def check_groups(num_groups: int, channels_per_group: int | None) -> None:
    """Raises ConfigError for values below 1, and where both are set."""
    check_at_least("num_groups", num_groups, 1)
    if channels_per_group is not None:
        check_at_least("channels_per_group", channels_per_group, 1)
        if num_groups != USUAL_GROUPS:
            raise ConfigError(
                f"norm.num_groups: {num_groups} and norm.channels_per_group: {channels_per_group} cannot both be set: "
                "leave one of them out"
            )


def count_groups(num_channels: int, num_groups: int, channels_per_group: int | None) -> int:
    """The groups of a layer. Raises ChannelCountError if they would not be of one size."""
    option, value = "num_groups", num_groups
    if channels_per_group is not None:
        option, value = "channels_per_group", channels_per_group
    if num_channels % value:
        raise ChannelCountError(option, value, [num_channels])
    return num_groups if channels_per_group is None else num_channels // channels_per_group


def in_float32(x: Tensor) -> Tensor:
    """x in float32, or in float64 if it is: statistics of bfloat16 images are not taken in bfloat16."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def is_channels_last(x: Tensor) -> bool:
    """Whether x [N, C, H, W] is dense in the order [N, H, W, C]. By its strides: `torch.func.vmap` knows those only."""
    if x.dim() != 4:
        return False
    _, channels, height, width = x.shape
    return x.stride() == (height * width * channels, 1, width * channels, channels)


class ChannelAffine(nn.Module):
    """A layer with γ `weight` [C], 1 at the start, and β `bias` [C], 0 at the start; without `affine` both are None."""

    weight: Tensor | None
    bias: Tensor | None

    def __init__(self, num_channels: int, affine: bool) -> None:
        super().__init__()
        self.num_channels, self.affine = num_channels, affine
        self.register_parameter("weight", nn.Parameter(torch.ones(num_channels)) if affine else None)
        self.register_parameter("bias", nn.Parameter(torch.zeros(num_channels)) if affine else None)

    def gamma_beta(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """γ and β [C, 1, 1], which broadcast over x; without affine 1 and 0, with the dtype and device of x."""
        if self.weight is None or self.bias is None:
            return x.new_ones(1, 1, 1), x.new_zeros(1, 1, 1)
        return self.weight[:, None, None], self.bias[:, None, None]

    def extra_repr(self) -> str:
        return f"{self.num_channels}, affine={self.affine}"
