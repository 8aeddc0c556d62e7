"""Counts of a built network: its parameters, and its norm layers."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from torch import nn


def count_parameters(model: nn.Module) -> int:
    """`num_parameters`: trainable values."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def count_affine(layer: nn.Module) -> int:
    """Trainable values in the scale and shift of a norm layer: those that `affine: false` leaves out."""
    affine = (getattr(layer, name, None) for name in ("weight", "bias"))
    return sum(part.numel() for part in affine if isinstance(part, nn.Parameter) and part.requires_grad)


def mark_norm(layer: nn.Module) -> nn.Module:
    """Marks a layer that a norm factory made, whatever its class, as a norm layer of its network; not an Identity."""
    layer.is_norm = not isinstance(layer, nn.Identity)  # type: ignore[assignment]
    return layer


def norm_layers(model: nn.Module) -> dict[str, nn.Module]:
    """The norm layers, by the names of their rows in the layer table: class and position, as in `GroupNorm-2`."""
    found, row = {}, 0
    for module in _in_order(model):
        row += not isinstance(module, nn.Sequential | nn.ModuleList)  # these have no row of their own
        if getattr(module, "is_norm", False):
            found[f"{type(module).__name__}-{row}"] = module
    return found


def count_norms(model: nn.Module) -> dict[str, Any]:
    """What `run.json` records of the norm layers. They are counted in the model itself, not read from its config.

    `norm_layers`: class name -> number of layers, `{}` without a norm; `norm_parameters`: trainable values in them;
    `norm_buffers`: values they store without learning them (running statistics and their counters).
    """
    layers = nn.ModuleList(norm_layers(model).values())  # together: what layers share counts once
    return {
        "norm_layers": dict(Counter(type(layer).__name__ for layer in layers)),
        "norm_parameters": count_parameters(layers),
        "norm_buffers": sum(buffer.numel() for buffer in layers.buffers()),
    }


def _in_order(module: nn.Module) -> Iterator[nn.Module]:
    """All modules in the order of the layer table: a module comes after the modules inside it."""
    for child in module.children():
        yield from _in_order(child)
    yield module
