"""The statistics that a layer stores for eval mode."""

from typing import NamedTuple

from torch import Tensor, nn


class Running(NamedTuple):
    """mean and std, both [C], copies."""

    mean: Tensor
    std: Tensor


def running_statistics(layer: nn.Module) -> Running | None:
    """Its running mean, and its running deviation or the root of its running variance; None where it keeps none."""
    buffers = dict(layer.named_buffers())
    mean, std, variance = (buffers.get(f"running_{name}") for name in ("mean", "std", "var"))
    if mean is None or (std is None and variance is None):
        return None
    return Running(mean.clone(), std.clone() if std is not None else variance.sqrt())  # type: ignore[union-attr]
