"""Several networks of one kind as one wide network, which computes them all at once."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from normbench.models.dropout import Dropout
from normbench.norms.batch import PreciseBatchNorm2d
from normbench.norms.ghost import GhostBatchNorm2d
from normbench.norms.group_norm import InstanceNorm2d
from normbench.norms.weight_standardization import StandardizedConv2d

_CONV, _GROUPS, _CHANNELS = ("in_channels", "out_channels", "groups"), ("num_groups", "num_channels"), ("num_features",)

WIDENED: Mapping[type[nn.Module], tuple[str, ...]] = {
    nn.Conv2d: _CONV,
    StandardizedConv2d: _CONV,
    nn.BatchNorm2d: _CHANNELS,
    PreciseBatchNorm2d: _CHANNELS,
    GhostBatchNorm2d: _CHANNELS,
    InstanceNorm2d: _CHANNELS,
    nn.GroupNorm: _GROUPS,
}
"""Layers that compute each channel, or group of channels, independently, with the attributes that count channels.

S such layers are one layer with S times these counts. Exact types: a subclass may compute something else.
"""

AS_IT_IS = (nn.Identity, nn.ReLU, nn.MaxPool2d, nn.AdaptiveAvgPool2d)
"""Layers without parameters that take any number of channels."""


Leaf = tuple[nn.Parameter, tuple[nn.Parameter, ...]]


@dataclass(frozen=True)
class Wide:
    """`network`: images [B, S C, H, W] -> logits [B, S classes], each network's channels next to each other.

    `leaves`: each parameter of the wide network, with the parameters of the S networks that are its parts along the
    first axis.
    """

    network: nn.Module
    leaves: tuple[Leaf, ...]


def side_by_side(networks: Sequence[nn.Module]) -> Wide:
    """One network that computes all of `networks`, which differ in their weights only; convs become grouped.

    The parameters and buffers of the networks become views into those of the wide network. So each network can be
    evaluated and saved as before, and a step of the wide network trains them all. S layers that are neither in WIDENED
    nor in AS_IT_IS, such as any other norm, are applied to S slices of the channels. Modules that contain layers must
    not compute anything across channels themselves.
    """
    wide = deepcopy(networks[0])
    leaves: list[Leaf] = []
    _replace(wide, networks, leaves)
    return Wide(wide, tuple(leaves))


def separate(networks: Sequence[nn.Module]) -> None:
    """Gives the parameters and buffers of each network memory of their own again."""
    for network in networks:
        for tensor in (*network.parameters(), *network.buffers()):
            tensor.data = tensor.data.clone()


def _replace(wide: nn.Module, members: Sequence[nn.Module], leaves: list[Leaf]) -> None:
    """Replaces the layers inside `wide`, a container that is a copy of the first member, by layers for all members."""
    for name, layer in list(wide.named_children()):
        parts = [member.get_submodule(name) for member in members]
        if type(layer) in WIDENED:
            _widen(layer, parts)
            own = zip(*(part.parameters() for part in parts), strict=True)
            leaves += zip(layer.parameters(), own, strict=True)
        elif type(layer) in AS_IT_IS or (isinstance(layer, Dropout) and not layer.is_active):
            continue
        elif getattr(layer, "is_norm", False) or not list(layer.children()):
            slices = _Slices(parts)
            leaves += [(parameter, (parameter,)) for parameter in slices.parameters()]
            wide.set_submodule(name, slices)
        else:
            _replace(layer, parts, leaves)


def _widen(layer: nn.Module, members: Sequence[nn.Module]) -> None:
    """Turns `layer`, a copy of the first member, into the layer that computes all members."""
    for count in WIDENED[type(layer)]:
        setattr(layer, count, len(members) * getattr(layer, count))
    for name, tensor in (*layer.named_parameters(), *layer.named_buffers()):
        parts = [_tensor(member, name) for member in members]
        if tensor.dim() == 0:  # a count of steps, equal in all members
            for part in parts:
                part.data = tensor.data
            continue
        tensor.data = torch.cat([part.data for part in parts])
        for part, view in zip(parts, tensor.data.chunk(len(parts)), strict=True):
            part.data = view


def _tensor(layer: nn.Module, name: str) -> Tensor:
    tensor: Tensor = getattr(layer, name)
    return tensor


class _Slices(nn.Module):
    """Layers on slices of the channels: [B, S C, H, W] -> the same."""

    def __init__(self, layers: Sequence[nn.Module]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor) -> Tensor:
        last = x.is_contiguous(memory_format=torch.channels_last)
        kept = torch.channels_last if last else torch.contiguous_format
        slices = (part.contiguous(memory_format=kept) for part in x.chunk(len(self.layers), dim=1))
        return torch.cat([layer(part) for layer, part in zip(self.layers, slices, strict=True)], dim=1)
