"""The norm layers of a network: where they are, and which axis of their input holds the channels."""

from collections.abc import Collection, Sequence
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from normbench.errors import ConfigError
from normbench.models.exchange.dry_run import BATCH_SIZE, DryRun

BASES: tuple[type[nn.Module], ...] = (
    nn.BatchNorm1d,
    nn.BatchNorm2d,
    nn.InstanceNorm1d,
    nn.InstanceNorm2d,
    nn.GroupNorm,
    nn.LayerNorm,
    nn.RMSNorm,
)
"""The norm layers that are exchanged, and subclasses that compute the same."""

Size = tuple[int, int]


@dataclass(frozen=True)
class Place:
    """A norm layer that is to be exchanged.

    paths: its names in the network; more than one if it stands in several places.
    channel_axis: 1, or -1 for channels last. num_axes: of its input, 2 to 4.
    sizes: the (height, width) of its inputs, without repeats; (T, 1) for T tokens, (1, 1) for vectors.
    """

    layer: nn.Module
    paths: tuple[str, ...]
    num_channels: int
    channel_axis: int
    num_axes: int
    sizes: tuple[Size, ...]

    @property
    def path(self) -> str:
        return self.paths[0]


def refusal(path: str, layer: nn.Module, what: str) -> ConfigError:
    where = f"layer {path}" if path else "the network"
    return ConfigError(f"{where} ({type(layer).__name__}) {what}")


def base_of(layer: nn.Module) -> type[nn.Module] | None:
    """The class in BASES that the layer is an instance of; None for any other layer."""
    return next((base for base in BASES if isinstance(layer, base)), None)


def paths_of(network: nn.Module) -> dict[nn.Module, tuple[str, ...]]:
    """Each module of the network -> all of its names."""
    paths: dict[nn.Module, tuple[str, ...]] = {}
    for path, module in network.named_modules(remove_duplicate=False):
        paths[module] = (*paths.get(module, ()), path)
    return paths


def find_places(network: nn.Module, run: DryRun) -> list[Place]:
    """The norm layers in the order of the forward pass. Raises ConfigError for one that cannot be exchanged."""
    paths = paths_of(network)
    order = [*run.inputs, *(module for module in paths if module not in run.inputs)]
    return [_place(layer, paths[layer], run) for layer in order if base_of(layer) is not None]


def _place(layer: nn.Module, paths: tuple[str, ...], run: DryRun) -> Place:
    inputs = run.inputs.get(layer, [])
    if not inputs:
        raise refusal(
            paths[0],
            layer,
            "is never called in the forward pass, so that what it would normalize is not known: remove it, or call it "
            "as a layer",
        )
    shapes = [tuple(x.shape) for x in inputs]
    axes = {_channel_axis(layer, paths[0], shape, run.sources(layer)) for shape in shapes}
    ranks = {len(shape) for shape in shapes}
    if len(axes) > 1 or len(ranks) > 1:
        listed = " and ".join(dict.fromkeys(map(_shown, shapes)))
        raise refusal(paths[0], layer, f"takes inputs of different forms, {listed}: use a layer for each")
    (axis,) = axes
    return Place(
        layer=layer,
        paths=paths,
        num_channels=shapes[0][axis],
        channel_axis=axis,
        num_axes=len(shapes[0]),
        sizes=tuple(dict.fromkeys(_size(shape, axis) for shape in shapes)),
    )


def _channel_axis(layer: nn.Module, path: str, shape: tuple[int, ...], sources: Collection[nn.Module]) -> int:
    """The axis of the channels. Raises ConfigError for an input that a norm of images cannot take.

    sources: the convs and linear layers that the input comes from.
    """
    if shape[0] != BATCH_SIZE:
        raise refusal(
            path, layer, f"takes an input {_shown(shape)} for a batch of {BATCH_SIZE}: its first axis must be the batch"
        )
    if not 2 <= len(shape) <= 4:
        raise refusal(path, layer, f"takes an input {_shown(shape)}: only inputs of 2 to 4 axes can be exchanged")
    axes = [
        axis for axis in _possible_channel_axes(layer, shape) if axis == 1 or not _has_channels_first(shape, sources)
    ]
    if not axes:
        raise refusal(
            path, layer, f"normalizes {_shown(shape)} over other axes than the channels, as no norm here does"
        )
    if type(layer) in BASES:  # PyTorch's own layer norm takes the channels last
        return axes[0]
    found = next((axis for axis in axes if _computes_its_base_only(layer, shape, axis)), None)
    if found is None:
        base = base_of(layer)
        assert base is not None
        raise refusal(
            path,
            layer,
            f"is a subclass of {base.__name__} and computes more than that: use nn.{base.__name__} and a layer for the "
            "rest, or give the network a parameter 'norm'",
        )
    return found


def _possible_channel_axes(layer: nn.Module, shape: tuple[int, ...]) -> list[int]:
    """The axes that may be those of the channels, by the shape alone; the usual one first."""
    if not isinstance(layer, nn.LayerNorm | nn.RMSNorm) or (len(shape) == 4 and layer.normalized_shape == shape[1:]):
        return [1]
    if len(layer.normalized_shape) > 1:
        return []
    (num_channels,) = layer.normalized_shape
    return [axis for axis in (-1, 1) if shape[axis] == num_channels and (axis == -1 or len(shape) == 4)]


def _has_channels_first(shape: tuple[int, ...], sources: Collection[nn.Module]) -> bool:
    """Whether the convs before have their channels on axis 1: a layer norm over the last axis is one of rows then."""
    counts = {source.out_channels if isinstance(source, _ConvNd) else None for source in sources}
    return len(shape) > 2 and counts == {shape[1]} and shape[-1] != shape[1]


@torch.no_grad()
def _computes_its_base_only(layer: nn.Module, shape: tuple[int, ...], axis: int) -> bool:
    """Whether the layer gives, for noise, what its class in BASES does with the channels on that axis.

    Its weight and bias get other values for this: at 0, which they may be, every layer returns 0.
    """
    base, probe = base_of(layer), deepcopy(layer)
    assert base is not None
    if {name for name, _ in probe.named_parameters()} - {"weight", "bias"}:
        return False
    noise = torch.Generator().manual_seed(0)
    for parameter in probe.parameters():
        parameter.copy_(torch.randn(parameter.shape, generator=noise))
    x = torch.randn(shape, generator=noise)
    is_moved = axis == 1 and isinstance(layer, nn.LayerNorm | nn.RMSNorm) and len(layer.normalized_shape) == 1
    expected = base.forward(probe, x.movedim(1, -1)).movedim(-1, 1) if is_moved else base.forward(probe, x.clone())
    found = probe(x.clone())
    return isinstance(found, Tensor) and found.shape == x.shape and torch.allclose(found, expected, 1e-4, 1e-4)


def _size(shape: tuple[int, ...], axis: int) -> Size:
    rest = [*(shape[2:] if axis == 1 else shape[1:-1]), 1, 1]
    return rest[0], rest[1]


def _shown(shape: Sequence[int]) -> str:
    return f"[{', '.join(map(str, shape))}]"
