"""What a norm is: options -> a factory of layers; and the checks that norms share."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from normbench.errors import ConfigError

NormFactory = Callable[[int, tuple[int, int]], nn.Module]
"""(num_channels, (height, width)) of the layer's input -> the layer, [N, C, H, W] -> [N, C, H, W]."""

Norm = Callable[..., NormFactory]
"""Keyword-only options -> a factory."""


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


def check_eps(eps: float) -> None:
    if not eps > 0:
        raise ConfigError(f"norm.eps must be above 0 (it keeps a constant input from a division by 0), not {eps}")


def check_momentum(momentum: float) -> None:
    if not 0 < momentum <= 1:
        raise ConfigError(f"norm.momentum (the newest batch's share) must be above 0 and at most 1, not {momentum}")


def check_at_least(option: str, value: float, least: float) -> None:
    if not value >= least:
        raise ConfigError(f"norm.{option} must be at least {least}, not {value}")


def check_divides(num_groups: int, num_channels: int) -> None:
    if num_channels % num_groups:
        raise ChannelCountError("num_groups", num_groups, [num_channels])


def in_float32(x: Tensor) -> Tensor:
    """x, at least in float32: statistics of bfloat16 images are not taken in bfloat16."""
    return x.to(torch.promote_types(x.dtype, torch.float32))
