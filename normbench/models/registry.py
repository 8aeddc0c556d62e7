"""Networks by name.

To add one: write a function as `Network` describes, and a line in MODELS.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from normbench.deferred import deferred
from normbench.plugins.load import Loaded
from normbench.plugins.registry import PluginRegistry

if TYPE_CHECKING:
    from torch import nn

Network = Callable[..., "nn.Module"]
"""What a network function takes and returns: (norm, task, conv=nn.Conv2d, *, **options) -> the network.

Args:
    norm: a NormFactory. It makes each norm layer from the layer's channel count and the (height, width) of its input.
        `mark_norm` marks what it made, so that the records count it. A layer with `has_activation` gets no ReLU.
    task: a `Task`, the number of classes and the shape of an image.
    conv: the class of all convs but the classifier, `nn.Conv2d` or a subclass with the same arguments.
    options: keyword-only parameters with defaults; a config sets them under `model`.

Returns:
    A module, float images [B, *task.image_shape] -> logits [B, task.num_classes]. Its weights are drawn from torch's
    global generator.

Raises:
    ConfigError: for a bad option, a norm that does not fit the channel counts, or images that it cannot take.
"""

MODELS: dict[str, Network] = {
    "reference": deferred("normbench.models.reference", "reference"),
}


class ModelRegistry(PluginRegistry):
    """Every network a config may name.

    A plugin is a class of modules or a function that makes one. It may have a parameter `norm` or `norm_layer`, a
    factory that makes a norm layer from its number of channels; without one its own norm layers are exchanged.
    """

    what, group = "model", "normbench.models"

    def adapt(self, name: str, loaded: Loaded) -> Network:
        from normbench.models.outside.network import as_network

        return as_network(name, loaded)


MODEL_REGISTRY = ModelRegistry(MODELS)
MODEL_REGISTRY_NO_PLUGINS = ModelRegistry(MODELS, plugins=False)
"""The same names; the look-up of a plugin raises ConfigError."""


def model_registry(*, plugins: bool) -> ModelRegistry:
    """Every network; without `plugins` those from outside of normbench are refused."""
    return MODEL_REGISTRY if plugins else MODEL_REGISTRY_NO_PLUGINS


def build(function: Callable[[], "nn.Module"], seed: int) -> "nn.Module":
    """The network that `function` makes, its weights drawn from `seed`; torch's random state is left as it was.

    Norm layers draw no random numbers: one seed gives every norm the same weights around it.
    """
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return function()
