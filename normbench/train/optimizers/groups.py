"""Parameter groups: which parameters decay. And the check of the options that all optimizers have."""

from typing import Any

from torch import Tensor, nn

from normbench.errors import ConfigError


def check_not_negative(**options: float) -> None:
    """Raises ConfigError for the first option below 0."""
    for name, value in options.items():
        if value < 0:
            raise ConfigError(f"train.optimizer.{name} must be at least 0, not {value}")


def groups_of(model: nn.Module, weight_decay: float, *, decay_all: bool) -> list[dict[str, Any]]:
    """The parameter groups of a model: one with `decay_all`, else weights that decay and all other parameters."""
    if decay_all:
        return [{"params": list(model.parameters()), "weight_decay": weight_decay}]
    return decayed_and_not(model, weight_decay, besides=[])


def decayed_and_not(model: nn.Module, weight_decay: float, besides: list[Tensor]) -> list[dict[str, Any]]:
    """Two parameter groups without the parameters `besides`: weights of convs and linear layers, and all others."""
    taken = {id(parameter) for parameter in besides}
    layers = [module for module in model.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    weights = [weight for weight in dict.fromkeys(layer.weight for layer in layers) if id(weight) not in taken]
    taken |= {id(weight) for weight in weights}
    others = [parameter for parameter in model.parameters() if id(parameter) not in taken]
    return [{"params": weights, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]
