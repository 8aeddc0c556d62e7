"""Norm layers by input shape: the layers that training uses for images, PyTorch's 1d and 3d layers for others."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import nn

from normbench.config.choices import options_of
from normbench.errors import ConfigError
from normbench.explain.shape import Shape, axis_names
from normbench.norms import NORM_REGISTRY, NORMS
from normbench.text import unknown_name


def batch_norm(shape: Shape, *, momentum: float = 0.1, affine: bool = True) -> nn.Module:
    layer = nn.BatchNorm3d if len(shape) == 5 else nn.BatchNorm1d
    return layer(shape[1], momentum=momentum, affine=affine)


def group_norm(shape: Shape, *, num_groups: int, affine: bool = True) -> nn.Module:
    return nn.GroupNorm(num_groups, shape[1], affine=affine)


def layer_norm(shape: Shape, *, affine: bool = True) -> nn.Module:
    return nn.LayerNorm(shape[1:], elementwise_affine=affine)


def instance_norm(shape: Shape, *, affine: bool = True) -> nn.Module:
    layer = nn.InstanceNorm3d if len(shape) == 5 else nn.InstanceNorm1d
    return layer(shape[1], affine=affine)


TORCH_LAYERS: dict[str, Callable[..., nn.Module]] = {
    "bn": batch_norm,
    "gn": group_norm,
    "ln": layer_norm,
    "in": instance_norm,
}
"""For inputs that are not images: norm -> function of the shape and of the options that `NORMS` has too."""


def norms_for(shape: Shape, chosen: Sequence[str] | None = None) -> list[str]:
    """The norms that take an input of `shape`, or those `chosen`; for images these may be plugins.

    Raises ConfigError for a chosen one that does not take it.
    """
    known = list(NORMS if len(shape) == 4 else TORCH_LAYERS)
    if len(shape) == 2:
        known.remove("in")  # it would average one value; InstanceNorm1d takes N,C for one sample C,L
    for kind in chosen or ():
        if kind not in NORM_REGISTRY:
            raise ConfigError(unknown_name("norm", kind, known))
        if kind not in known and (kind in NORMS or len(shape) != 4):
            axes = ",".join(axis_names(shape))
            raise ConfigError(f"norm {kind!r} takes no {axes} input; known for {axes}: {', '.join(known)}")
    return list(dict.fromkeys(chosen)) if chosen else known


def options_for(kind: str, shape: Shape, **wanted: Any) -> dict[str, Any]:
    """All options of the norm: its defaults, replaced by those `wanted` that it has and that are not None.

    Options that the norm does not have are ignored, so that one setting can be passed to every norm.
    """
    known = options_of(NORM_REGISTRY[kind] if len(shape) == 4 else TORCH_LAYERS[kind])
    given = {name: value for name, value in wanted.items() if value is not None}
    return {name: given.get(name, parameter.default) for name, parameter in known.items() if name != "ws"}


def build_layer(kind: str, shape: Shape, options: Mapping[str, Any]) -> nn.Module:
    """The norm's layer for an input of `shape`, in training mode."""
    if len(shape) == 4:
        norm, _ = NORM_REGISTRY[kind](**options)
        return norm(shape[1], (shape[2], shape[3]))
    return TORCH_LAYERS[kind](shape, **options)
