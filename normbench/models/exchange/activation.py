"""Takes out the activations behind norms that have one of their own."""

from collections.abc import Mapping

from torch import nn

from normbench.errors import ConfigError
from normbench.models.exchange.dry_run import DryRun
from normbench.models.exchange.places import Place, refusal

ACTIVATIONS = (
    nn.ReLU,
    nn.ReLU6,
    nn.LeakyReLU,
    nn.ELU,
    nn.SELU,
    nn.CELU,
    nn.GELU,
    nn.SiLU,
    nn.Mish,
    nn.Hardswish,
    nn.Softplus,
)
"""Activations without parameters, which the activation of a norm stands in for."""


def activations_after(places: Mapping[Place, nn.Module], run: DryRun) -> list[nn.Module]:
    """The activation layers that the norms with an activation of their own replace.

    places: place -> the layer that is to stand there. Raises ConfigError where the output of the layer there now goes
    elsewhere than into an activation layer, or where that one has other inputs too.
    """
    found = {place: _activation_after(place, norm, run) for place, norm in places.items()}
    outputs = {id(output) for place in places for output in run.outputs[place.layer]}
    for place, activation in found.items():
        if any(id(x) not in outputs for x in run.inputs[activation]):
            used_twice = f"but the {type(activation).__name__} behind it is used elsewhere too: give it one of its own"
            raise _refused(place, places[place], used_twice)
    return list(found.values())


def _activation_after(place: Place, norm: nn.Module, run: DryRun) -> nn.Module:
    uses = [run.uses(output) for output in run.outputs[place.layer]]
    # An activation in place changes what all later functions take.
    alone = all(use and (len(use) == 1 or use[0].in_place) for use in uses)
    activations = {use[0].module for use in uses if use}
    if not alone or len(activations) != 1 or not isinstance(activation := activations.pop(), ACTIVATIONS):
        raise _refused(
            place,
            norm,
            "but its output does not go into an activation layer alone, such as nn.ReLU, which could be taken out (the "
            "function F.relu cannot): choose another norm, or give the network a parameter 'norm'",
        )
    return activation


def _refused(place: Place, norm: nn.Module, why: str) -> ConfigError:
    return refusal(
        place.path, place.layer, f"cannot become {type(norm).__name__}: that has an activation of its own, {why}"
    )
