"""What a network holds: its parameters, and its norm layers as they were really built."""

from collections import Counter
from typing import Any

from torch import nn

from normbench.norms import NORM_LAYERS


def count_parameters(model: nn.Module) -> int:
    """`num_parameters`: trainable values."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def norm_layers(model: nn.Module) -> dict[str, nn.Module]:
    """The norm layers, by the names of their rows in the layer table: class and position, as in `GroupNorm-2`."""
    leaves = [module for module in model.modules() if not list(module.children())]
    return {
        f"{type(module).__name__}-{row}": module
        for row, module in enumerate(leaves, start=1)
        if isinstance(module, NORM_LAYERS)
    }


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
