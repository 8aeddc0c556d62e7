"""Facts about each norm without training: from its docstring and from layers that it makes."""

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from torch import Tensor

from normbench.errors import ConfigError
from normbench.models.count import count_parameters, norm_layers
from normbench.models.registry import MODELS
from normbench.models.task import CIFAR10
from normbench.norms import NORM_REGISTRY, NormRegistry, norm_label
from normbench.norms.lookup import Parts

CHANNELS, HEIGHT, WIDTH = 32, 5, 7  # different numbers, so that a size names its axis
_AXES = {CHANNELS: "C", HEIGHT: "H", WIDTH: "W"}


@dataclass(frozen=True)
class NormCard:
    """A norm with its default options.

    `learns` and `stores` list its parameters and buffers as in "weight [C]". The counts are those of the reference
    network with this norm.
    """

    kind: str
    label: str
    sentence: str
    learns: tuple[str, ...]
    stores: tuple[str, ...]
    norm_parameters: int
    num_parameters: int
    max_parameters: int | None

    @property
    def fits_budget(self) -> bool:
        return self.max_parameters is None or self.num_parameters <= self.max_parameters


def norm_cards(max_parameters: int | None, registry: NormRegistry = NORM_REGISTRY) -> tuple[list[NormCard], list[str]]:
    """A card for each name in the registry, and an error message for each plugin that cannot be imported."""
    cards, notes = [], []
    for kind in registry:
        try:
            cards.append(_card(kind, registry[kind], max_parameters))
        except ConfigError as error:
            notes.append(str(error))
    return cards, notes


def _card(kind: str, norm: Callable[..., Parts], max_parameters: int | None) -> NormCard:
    factory, conv = norm()
    layer = factory(CHANNELS, (HEIGHT, WIDTH))
    network = MODELS["reference"](factory, CIFAR10, conv)
    return NormCard(
        kind=kind,
        label=norm_label(kind, {}),
        sentence=(inspect.getdoc(norm) or "").partition("\n")[0],
        learns=_described(layer.named_parameters()),
        stores=_described(layer.named_buffers()),
        norm_parameters=sum(map(count_parameters, norm_layers(network).values())),
        num_parameters=count_parameters(network),
        max_parameters=max_parameters,
    )


def _described(tensors: Iterable[tuple[str, Tensor]]) -> tuple[str, ...]:
    return tuple(f"{name} {_shape(tensor)}".rstrip() for name, tensor in tensors)


def _shape(tensor: Tensor) -> str:
    return f"[{', '.join(_AXES.get(size, str(size)) for size in tensor.shape)}]" if tensor.dim() else ""
