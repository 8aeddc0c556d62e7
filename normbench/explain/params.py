"""How many statistics a norm computes, and how many values it learns and stores, read off the live layers."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from normbench.explain.layers import build_layer, norms_for, options_for
from normbench.explain.shape import Shape, axis_names, groups_for
from normbench.explain.sharing import sharing
from normbench.explain.stored import running_statistics
from normbench.models.count import count_parameters, norm_layers
from normbench.models.reference import IMAGE_SHAPE
from normbench.norms import norm_label


@dataclass(frozen=True)
class Counts:
    """One norm layer on an input of `shape`.

    statistics: what it computes, such as mean and std. num_statistics: how many of each. Both are None where it is not
    known which axes are reduced.
    num_learned: values in `parameters()`. num_buffers: values stored and never touched by the gradient.
    The formulas give the same numbers in the names of the shape's axes (C, N·G, 2·C + 1).
    """

    norm: str
    layer: str
    shape: Shape
    reduced: tuple[str, ...] | None
    statistics: tuple[str, ...] | None
    num_statistics: int | None
    statistics_formula: str | None
    statistics_stored: bool
    num_learned: int
    learned_formula: str
    num_buffers: int
    buffers_formula: str
    learned: dict[str, Shape]
    buffers: dict[str, Shape]


@dataclass(frozen=True)
class NetworkCounts:
    """The norm layers of a network, named as in `normbench summary`, with their inputs' shapes in training."""

    norm: str
    layers: tuple[Counts, ...]
    num_statistics: int | None
    num_learned: int
    num_buffers: int
    num_parameters: int
    """Of the whole network."""


def count_norms_on(shape: Shape, chosen: Sequence[str] | None = None, groups: int | None = None) -> tuple[Counts, ...]:
    """One entry a norm, in the registry's order or that of `chosen`; shape N,C or N,C,L or N,C,H,W or N,C,D,H,W.

    BN computes C means, LN N, IN N·C, GN N·G (Wu & He 2018, arXiv:1803.08494, section 3).
    """
    num_groups = groups_for(shape[1], groups)
    counts = []
    for kind in norms_for(shape, chosen):
        options = options_for(kind, shape, num_groups=num_groups)
        layer = build_layer(kind, shape, options)
        counts.append(_count(kind, options, shape, layer, type(layer).__name__))
    return tuple(counts)


def count_network(model: nn.Module, kind: str, options: Mapping[str, Any], batch_size: int) -> NetworkCounts:
    """The norm layers of `model`, whose norm is `kind`, on a batch of `batch_size` images; changes nothing in it."""
    layers = norm_layers(model)
    shapes = _input_shapes(model, layers.values())
    counts = tuple(_count(kind, options, (batch_size, *shapes[layer]), layer, name) for name, layer in layers.items())
    known = [layer.num_statistics for layer in counts if layer.num_statistics is not None]
    return NetworkCounts(
        norm=norm_label(kind, options),
        layers=counts,
        num_statistics=sum(known) if len(known) == len(counts) else None,
        num_learned=sum(layer.num_learned for layer in counts),
        num_buffers=sum(layer.num_buffers for layer in counts),
        num_parameters=count_parameters(model),
    )


def _count(kind: str, options: Mapping[str, Any], shape: Shape, layer: nn.Module, name: str) -> Counts:
    found = sharing(kind, shape, options)
    learned, buffers = dict(layer.named_parameters()), dict(layer.named_buffers())
    return Counts(
        norm=norm_label(kind, options),
        layer=name,
        shape=shape,
        reduced=found.reduced if found else None,
        statistics=found.statistics if found else None,
        num_statistics=found.num_sets if found else None,
        statistics_formula=found.formula if found else None,
        statistics_stored=running_statistics(layer) is not None,
        num_learned=count_parameters(layer),
        learned_formula=_formula(learned.values(), shape),
        num_buffers=sum(buffer.numel() for buffer in buffers.values()),
        buffers_formula=_formula(buffers.values(), shape),
        learned={key: tuple(value.shape) for key, value in learned.items()},
        buffers={key: tuple(value.shape) for key, value in buffers.items()},
    )


def _formula(tensors: Iterable[Tensor], shape: Shape) -> str:
    """The number of values in `tensors`: two of [C] and a scalar are 2·C + 1."""
    names = axis_names(shape)
    spelled = {(): "1", (shape[1],): names[1], shape[1:]: "·".join(names[1:])}

    def term(size: Shape) -> str:
        squeezed = tuple(length for length in size if length > 1)  # axes of size 1 only make a tensor broadcast
        return spelled.get(size) or spelled.get(squeezed) or "·".join(map(str, squeezed))

    terms = Counter(term(tuple(tensor.shape)) for tensor in tensors)
    return " + ".join(_times(count, term) for term, count in terms.items()) or "0"


def _times(count: int, term: str) -> str:
    if term == "1":
        return str(count)
    return term if count == 1 else f"{count}·{term}"


def _input_shapes(model: nn.Module, layers: Iterable[nn.Module]) -> dict[nn.Module, Shape]:
    """(C, H, W) of each layer's input, from one image."""
    shapes: dict[nn.Module, Shape] = {}

    def note(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        shapes[module] = tuple(inputs[0].shape[1:])

    hooks = [layer.register_forward_pre_hook(note) for layer in layers]
    was_training = model.training
    with torch.no_grad():
        model.eval()(torch.zeros(1, *IMAGE_SHAPE))
    model.train(was_training)
    for hook in hooks:
        hook.remove()
    return shapes
