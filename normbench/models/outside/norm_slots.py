"""The norm layers that a network asks for: counted and measured by a dry run, then made."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from normbench.errors import ConfigError
from normbench.models.count import mark_norm
from normbench.norms.factory import ChannelCountError, NormFactory

_CHANNELS = ("num_features", "num_channels", "normalized_shape")
_WITHOUT_EFFECT = frozenset(
    {"eps", "momentum", "affine", "elementwise_affine", "bias", "track_running_stats", "device", "dtype"}
)
"""Settings of PyTorch's norms: a config sets those of the norm that is compared, for every network alike."""


@dataclass
class NormSlots:
    """Stands for the norm in a dry run: each call makes a placeholder, which notes the size of its input."""

    model: str
    placeholders: "list[_Placeholder]" = field(default_factory=list)

    def __call__(self, num_channels: int) -> nn.Module:
        self.placeholders.append(_Placeholder(num_channels))
        return self.placeholders[-1]

    def sizes_in(self, network: nn.Module) -> list[tuple[int, int]]:
        """(height, width) of the input of each layer, in the order of the calls; (1, 1) for one that is not used.

        Raises ConfigError for a layer whose input is not [N, C, H, W] with its number of channels.
        """
        names = {id(module): name for name, module in network.named_modules()}
        return [slot.size(names.get(id(slot), "of a norm"), self.model) for slot in self.placeholders]


class _Placeholder(nn.BatchNorm2d):
    """Passes its input on. It has the attributes of a batch norm, which a network may initialize."""

    def __init__(self, num_channels: int) -> None:
        super().__init__(num_channels)
        self.shapes: list[tuple[int, ...]] = []
        self.was_asked = False
        """Whether the network has looked for an activation of the norm."""

    @property
    def has_activation(self) -> bool:
        self.was_asked = True
        return False

    def forward(self, x: Tensor) -> Tensor:
        self.shapes.append(tuple(x.shape))
        return x

    def size(self, name: str, model: str) -> tuple[int, int]:
        for shape in self.shapes:
            if len(shape) != 4 or shape[1] != self.num_features:
                raise ConfigError(
                    f"model {model!r}, layer {name}: its norm is made for {self.num_features} channels and gets "
                    f"{list(shape)}; norms take [N, C, H, W]"
                )
        return self.shapes[0][2:] if self.shapes else (1, 1)  # type: ignore[return-value]


class NormLayers:
    """Stands for the norm in the network: each call makes the layer of the next slot."""

    def __init__(self, model: str, norm: NormFactory, slots: NormSlots, sizes: Sequence[tuple[int, int]]) -> None:
        self.model, self.norm, self.sizes = model, norm, iter(sizes)
        self.channels = sorted({slot.num_features for slot in slots.placeholders})
        self.knows_activations = any(slot.was_asked for slot in slots.placeholders)
        self.activated: set[str] = set()

    def __call__(self, num_channels: int) -> nn.Module:
        size = next(self.sizes, None)
        if size is None:
            raise ConfigError(f"model {self.model!r} makes other layers each time it is built")
        try:
            layer = mark_norm(self.norm(num_channels, size))
        except ChannelCountError as error:
            raise error.for_network(self.channels) from None
        if getattr(layer, "has_activation", False):
            self.activated.add(type(layer).__name__)
        return layer

    def warnings(self) -> list[str]:
        """A warning about norms with an activation, where the network does not look for it."""
        if self.knows_activations or not self.activated:
            return []
        name = ", ".join(sorted(self.activated))
        return [f"{name} has an activation of its own, and the network may add another: let it look at has_activation"]


def as_norm_layer(model: str, make: NormSlots | NormLayers) -> Any:
    """`make` with the arguments that networks give to `nn.BatchNorm2d` and its like.

    It is a function with the name of no norm: a network that asks a class for its name gets no answer that it knows.
    """

    def norm_layer(*sizes: Any, **settings: Any) -> nn.Module:
        named = [settings.pop(name) for name in _CHANNELS if name in settings]
        unknown = sorted(settings.keys() - _WITHOUT_EFFECT)
        if unknown:
            raise ConfigError(
                f"model {model!r} asks for a norm with {', '.join(unknown)}, which is more than a norm; "
                "with exchange: true under model its own norm layers are exchanged"
            )
        if len(sizes) + len(named) < 1:
            raise ConfigError(f"model {model!r} asks for a norm without its number of channels")
        channels = [*sizes, *named][0]
        return make(channels[0] if isinstance(channels, list | tuple) else channels)

    return norm_layer
