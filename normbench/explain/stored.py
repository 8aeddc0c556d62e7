"""The running statistics that a layer stores for eval mode."""

from typing import NamedTuple

from torch import Tensor, nn


class RunningStatistics(NamedTuple):
    """Copies of the running mean and deviation, both [C]."""

    mean: Tensor
    std: Tensor


def running_statistics(layer: nn.Module) -> RunningStatistics | None:
    """The layer's running mean and deviation (the root of a running variance); None if it stores none."""
    buffers = dict(layer.named_buffers())
    mean, std, variance = (buffers.get(f"running_{name}") for name in ("mean", "std", "var"))
    if mean is None or (std is None and variance is None):
        return None
    return RunningStatistics(mean.clone(), std.clone() if std is not None else variance.sqrt())  # type: ignore[union-attr]
