"""What a network holds: its parameters, and its norm layers as they were really built."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from torch import nn


def count_parameters(model: nn.Module) -> int:
    """`num_parameters`: trainable values."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def count_affine(layer: nn.Module) -> int:
    """Trainable values in its scale and shift, which `affine: false` saves; a norm may learn others beside these."""
    affine = (getattr(layer, name, None) for name in ("weight", "bias"))
    return sum(part.numel() for part in affine if isinstance(part, nn.Parameter) and part.requires_grad)


def mark_norm(layer: nn.Module) -> nn.Module:
    """Marks what a norm factory made, of whatever class, as a norm layer of its network; Identity is none."""
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
    """What `run.json` records of the norm layers: found in the model itself, whatever its config says.

    `norm_layers`: class name -> number of layers, `{}` without a norm; `norm_parameters`: trainable values in them;
    `norm_buffers`: values they store without learning them (running statistics and their counters).
    """
    layers = norm_layers(model).values()
    return {
        "norm_layers": dict(Counter(type(layer).__name__ for layer in layers)),
        "norm_parameters": sum(count_parameters(layer) for layer in layers),
        "norm_buffers": sum(buffer.numel() for layer in layers for buffer in layer.buffers()),
    }


def _in_order(module: nn.Module) -> Iterator[nn.Module]:
    """As the layer table lists them: a layer after the layers inside it."""
    for child in module.children():
        yield from _in_order(child)
    yield module
