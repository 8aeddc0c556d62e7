"""What a user should know of the layers that an exchange has made."""

from collections.abc import Mapping

from torch import nn

from normbench.models.exchange.dry_run import DryRun
from normbench.models.exchange.places import Place, base_of
from normbench.norms.activated import EvoNorm2dS0, FilterResponseNorm2d
from normbench.text import listed

Made = Mapping[Place, nn.Module]
"""Where a norm layer was -> the layer for images that is there now."""


def warnings_of(network: nn.Module, made: Made, run: DryRun) -> tuple[str, ...]:
    """A line for each thing that is unusual, with the names of the layers. `run` is that before the exchange."""
    found = {
        "norm layers with as many groups as channels, which makes them instance norm": [
            place.path for place, layer in made.items() if 1 < place.num_channels == num_groups(layer)
        ],
        "norm layers whose groups are single values, of which no more than the sign is left": [
            place.path for place, layer in made.items() if has_single_values(place, layer)
        ],
        "norm layers that learn a scale and shift where the network had none (norm.affine)": [
            place.path
            for place, layer in made.items()
            if _learns(layer, "weight") and not _learns(place.layer, "weight")
        ],
        "layers without a bias, neither of their own nor in a norm after them": _without_shift(network, made, run),
        "layers called norms, of no kind that can be exchanged, which stay as they are": [
            path for path, module in network.named_modules() if module in run.inputs and _is_called_a_norm(module)
        ],
    }
    return tuple(f"{what}: {listed(paths)}" for what, paths in found.items() if paths)


def has_single_values(place: Place, layer: nn.Module) -> bool:
    """Whether each value is normalized by itself. A batch norm of vectors has the values of the batch."""
    pixels = min(height * width for height, width in place.sizes)
    groups = num_groups(layer)
    if groups is not None:
        return place.num_channels // groups * pixels == 1
    return isinstance(layer, FilterResponseNorm2d | nn.InstanceNorm2d) and pixels == 1


def num_groups(layer: nn.Module) -> int | None:
    """The groups of a norm over groups of channels; None for another norm."""
    return layer.num_groups if isinstance(layer, nn.GroupNorm | EvoNorm2dS0) else None


def _without_shift(network: nn.Module, made: Made, run: DryRun) -> list[str]:
    """The convs and linear layers without a bias whose norm had one, and has none any more."""
    sources = {
        source
        for place, layer in made.items()
        if _learns(place.layer, "bias") and not _learns(layer, "bias")
        for source in run.sources(place.layer)
    }
    return [path for path, module in network.named_modules() if module in sources and module.bias is None]


def _learns(layer: nn.Module, name: str) -> bool:
    return getattr(layer, name, None) is not None


def _is_called_a_norm(module: nn.Module) -> bool:
    return "norm" in type(module).__name__.lower() and base_of(module) is None and not list(module.children())
