"""The counts of `explain.params` for every norm layer of a network."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from normbench.config import load_config
from normbench.explain.params import Counts, count_layer
from normbench.explain.shape import Shape
from normbench.models.count import count_parameters, norm_layers
from normbench.norms import norm_label
from normbench.runs.build import build_network
from normbench.runs.registries import registries
from normbench.runs.task import find_task
from normbench.runs.validate import check_parts


@dataclass(frozen=True)
class NetworkCounts:
    """The norm layers of a network, named as in `normbench summary`, at the shapes they have in training."""

    norm: str
    layers: tuple[Counts, ...]
    num_statistics: int | None
    num_learned: int
    num_buffers: int
    num_parameters: int
    """Trainable values of the whole network."""


def count_configured_network(config: str, overrides: list[tuple[str, Any, str]], *, plugins: bool) -> NetworkCounts:
    """The counts of the network that `config` with `overrides` describes. Raises ConfigError if it describes none."""
    resolved = load_config(config, registries(plugins=plugins), overrides, check_parts(within_budget=False))
    task = find_task(resolved.data)
    network = build_network(resolved, task)
    return count_network(
        network, task.image_shape, resolved.norm.name, resolved.norm.options, resolved.train.batch_size
    )


def count_network(
    model: nn.Module, image_shape: Shape, kind: str, options: Mapping[str, Any], batch_size: int
) -> NetworkCounts:
    """The counts of the layers of the norm `kind` in `model`, on a batch of `batch_size` images of `image_shape`.

    `model` is unchanged afterwards.
    """
    layers = norm_layers(model)
    shapes = _input_shapes(model, image_shape, layers.values())
    counts = tuple(
        count_layer(kind, options, (batch_size, *shapes[layer]), layer, name) for name, layer in layers.items()
    )
    known = [layer.num_statistics for layer in counts if layer.num_statistics is not None]
    return NetworkCounts(
        norm=norm_label(kind, options),
        layers=counts,
        num_statistics=sum(known) if len(known) == len(counts) else None,
        num_learned=sum(layer.num_learned for layer in counts),
        num_buffers=sum(layer.num_buffers for layer in counts),
        num_parameters=count_parameters(model),
    )


def _input_shapes(model: nn.Module, image_shape: Shape, layers: Iterable[nn.Module]) -> dict[nn.Module, Shape]:
    """(C, H, W) of each layer's input, observed on one image."""
    shapes: dict[nn.Module, Shape] = {}

    def note(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        shapes[module] = tuple(inputs[0].shape[1:])

    hooks = [layer.register_forward_pre_hook(note) for layer in layers]
    was_training = model.training
    with torch.no_grad():
        model.eval()(torch.zeros(1, *image_shape))
    model.train(was_training)
    for hook in hooks:
        hook.remove()
    return shapes
