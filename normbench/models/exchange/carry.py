"""What a norm layer takes over from the layer whose place it takes."""

from collections.abc import Collection

import torch
from torch import Tensor, nn

_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


@torch.no_grad()
def carry_over(old: nn.Module, new: nn.Module, own_options: Collection[str]) -> tuple[str, ...]:
    """Gives `new` the scale, shift, eps and, from batch norm to batch norm, momentum and statistics of `old`.

    Returns the names of what was carried over. A scale or shift is carried over where the shapes agree, or where one
    value per channel [C] becomes one per element [C, H, W]. `own_options` are options of the norm that the user has
    set: these settings of `new` stay. Running statistics differ from those of a new layer in trained networks only.
    """
    carried = [name for name in ("weight", "bias") if _copied(getattr(old, name, None), getattr(new, name, None))]
    if "eps" not in own_options and all(isinstance(getattr(layer, "eps", None), float) for layer in (old, new)):
        new.eps = old.eps
        carried.append("eps")
    if isinstance(old, nn.BatchNorm1d | nn.BatchNorm2d) and isinstance(new, nn.BatchNorm2d):
        # Ghost batch norm needs a number; None stands for the mean over all batches.
        if "momentum" not in own_options and (old.momentum is not None or type(new) is nn.BatchNorm2d):
            new.momentum = old.momentum
            carried.append("momentum")
        if all(_copied(getattr(old, name), getattr(new, name)) for name in _STATISTICS):
            carried.append("statistics")
    return tuple(carried)


def _copied(old: Tensor | None, new: Tensor | None) -> bool:
    """Copies `old` into `new` if both are there and fit."""
    if old is None or new is None:
        return False
    if old.dim() == 1 and new.dim() == 3 and old.shape[0] == new.shape[0]:
        old = old[:, None, None].expand_as(new)
    if old.shape != new.shape:
        return False
    new.copy_(old)
    return True
