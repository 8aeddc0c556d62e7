"""The parameter budget: a larger network is refused before training, with the arithmetic."""

from collections import Counter

from torch import nn

from normbench.errors import ConfigError
from normbench.models.count import count_affine, count_parameters, norm_layers
from normbench.text import capped

_MOST_LAYERS = 10  # that a message lists


def check_budget(model: nn.Module, max_parameters: int | None) -> None:
    """Raises ConfigError if the model has more than `max_parameters` trainable parameters; None allows any number."""
    num_parameters = count_parameters(model)
    if max_parameters is None or num_parameters <= max_parameters:
        return
    raise ConfigError(_refusal(model, num_parameters, max_parameters))


def _refusal(model: nn.Module, num_parameters: int, max_parameters: int) -> str:
    lines = [
        f"the network has {num_parameters:,} trainable parameters, {num_parameters - max_parameters:,} more than "
        f"budget.max_parameters allows ({max_parameters:,})"
    ]
    spent = {name: layer for name, layer in norm_layers(model).items() if count_parameters(layer)}
    num_norm = sum(count_parameters(layer) for layer in spent.values())
    if spent:
        lines[0] += f"; its norm layers spend {num_norm:,} of them:"
        each = [f"  {name}: {_arithmetic(layer)} = {count_parameters(layer):,}" for name, layer in spent.items()]
        lines += capped(each, _MOST_LAYERS, "norm layers")
    num_affine = sum(count_affine(layer) for layer in spent.values())
    rest = num_parameters - num_affine
    if num_affine and rest <= max_parameters:
        lines.append(f"`affine: false` under `norm` fits: {num_parameters:,} - {num_affine:,} = {rest:,}")
    elif num_affine:
        lines.append(f"`affine: false` under `norm` is not enough: {rest:,} parameters remain")
    lines.append(
        f"`--set budget.max_parameters={num_parameters}`, or `budget: {{max_parameters: {num_parameters}}}` in the "
        "YAML, lifts the budget for this network"
    )
    return "\n".join(lines)


def _arithmetic(layer: nn.Module) -> str:
    """`2 x 16 x 32 x 32`: the number of parameters of a shape, times the shape."""
    shapes = Counter(tuple(parameter.shape) for parameter in layer.parameters() if parameter.requires_grad)
    return " + ".join(" x ".join(map(str, (number, *shape))) for shape, number in shapes.items())
