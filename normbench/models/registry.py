"""Networks by name.

To add one: write a function as `Network` describes, and a line in MODELS.
"""

from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import nn

from normbench.models.reference import reference
from normbench.norms import NormFactory


class Network(Protocol):
    """What a network function takes and returns.

    Args:
        norm: makes each norm layer from its channel count and the size (height, width) of its input. What it makes
            passes through `mark_norm`, which lets the records count it; a layer with `has_activation` gets no ReLU.
        num_classes: the number of logits.
        conv: the class of all convs but the classifier, `nn.Conv2d` or a subclass with the same arguments.
        options: keyword-only, with defaults: the keys a config may set under `model`.

    Returns:
        A module, float images [B, *image_shape] -> logits [B, num_classes], with the attribute `image_shape`
        (channels, height, width). Weights are drawn from torch's global generator.

    Raises:
        ConfigError: for a bad option, or a norm that does not fit the channel counts.
    """

    def __call__(
        self, norm: NormFactory, num_classes: int, conv: type[nn.Conv2d] = nn.Conv2d, **options: Any
    ) -> nn.Module: ...


MODELS: dict[str, Network] = {"reference": reference}


def build(function: Callable[[], nn.Module], seed: int) -> nn.Module:
    """The network that `function` makes, its weights drawn from `seed`; torch's random state is left as it was.

    Norm layers draw no random numbers: one seed gives every norm the same weights around it.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return function()
