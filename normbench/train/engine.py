"""Who computes a network in training steps and in evaluations."""

from torch import nn

from normbench.kernels import accelerate
from normbench.train.compiled import Compiled
from normbench.train.setting import Setting

ENGINES = ("kernels", "eager", "compile")
"""`kernels`: fused ops for the layers that they cover, PyTorch for the others. `eager`: PyTorch for all layers.
`compile`: `torch.compile` for training steps of full batches, and PyTorch for all else. On a GPU PyTorch computes all
that `torch.compile` does not."""


def training_network(model: nn.Module, setting: Setting, *, tells: bool = True) -> nn.Module:
    """A module that computes the training steps of `model`, and shares its layers; `tells`: see `Compiled`."""
    if isinstance(model, Compiled):
        return model
    return Compiled(model, tells=tells) if setting.engine == "compile" else inference_network(model, setting)


def inference_network(model: nn.Module, setting: Setting) -> nn.Module:
    """A module that evaluates `model`, and shares its layers."""
    return accelerate(model) if setting.engine == "kernels" else model
