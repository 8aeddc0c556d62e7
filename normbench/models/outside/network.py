"""A user's class or function as a network of the registry."""

import inspect
import re
from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from normbench.errors import ConfigError, NormbenchError
from normbench.models.count import norm_layers
from normbench.models.exchange import check_plain, left_as_it_is
from normbench.models.exchange import exchange as exchanged
from normbench.models.outside.norm_slots import NormLayers, NormSlots, as_norm_layer
from normbench.models.outside.notes import keep_notes
from normbench.models.outside.parameters import Parameters, read_parameters
from normbench.models.outside.trial import try_images
from normbench.models.task import Task
from normbench.norms.factory import NormFactory
from normbench.plugins.errors import reason
from normbench.plugins.load import Loaded, importable
from normbench.plugins.names import portable
from normbench.text import listed

_NORMS = (nn.modules.batchnorm._NormBase, nn.GroupNorm, nn.LayerNorm)
_UNEXPECTED = re.compile(r"(?:unexpected keyword argument|multiple values for keyword argument) '(\w+)'")


def as_network(name: str, loaded: Loaded) -> Callable[..., nn.Module]:
    """What `name` stands for as a `Network`. Its options are the user's, and two more.

    exchange: exchange the norm layers of the network even if it has a parameter for the norm.
    sha256: of the source. A config that is completed holds it, so it stands for this version of the network.
    Raises ConfigError for what is no class or function that can make a network.
    """
    found = loaded.found
    if isinstance(found, nn.Module):
        raise ConfigError(f"model {name!r} is a network that is made already: name its class, or a function")
    if not callable(found) or (isinstance(found, type) and not issubclass(found, nn.Module)):
        raise ConfigError(f"model {name!r} is {_kind(found)}, not a class of networks or a function that makes one")
    parameters = read_parameters(name, found)
    version = loaded.sha256

    def network(
        norm: NormFactory,
        task: Task,
        conv: type[nn.Conv2d] = nn.Conv2d,
        *,
        sha256: str = version,
        exchange: bool = False,
        **options: Any,
    ) -> nn.Module:
        _check_version(name, sha256, version)
        maker = _Maker(name, loaded, parameters, task, options)
        if parameters.norm and not exchange:
            made = maker.with_norms(norm, conv)
            if made is not None:
                return made
        return maker.with_exchanged_norms(norm, conv)

    switches = (
        inspect.Parameter("exchange", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=bool),
        inspect.Parameter("sha256", inspect.Parameter.KEYWORD_ONLY, default=version, annotation=str),
    )
    rest = [inspect.Parameter("rest", inspect.Parameter.VAR_KEYWORD)] if parameters.is_open else []
    network.__signature__ = inspect.Signature([*parameters.options, *switches, *rest])  # type: ignore[attr-defined]
    network.__doc__ = found.__doc__
    return network


def check_source(name: str, network: Callable[..., object], options: Mapping[str, Any]) -> None:
    """Raises ConfigError if the options hold the hash of another source than `network` of the registry has now."""
    version = inspect.signature(network).parameters["sha256"].default
    _check_version(name, options.get("sha256", version), version)


def _check_version(name: str, wanted: str, version: str) -> None:
    if wanted != version:
        raise ConfigError(
            f"model.sha256: the source of {portable(name)} is not what it was when this config was written; restore "
            "it, or leave out sha256 to train it as it is now, which is another run"
        )


class _Maker:
    """Makes the network for a task, each time from the state of torch's generator in which it was itself made."""

    def __init__(
        self, name: str, loaded: Loaded, parameters: Parameters, task: Task, options: Mapping[str, Any]
    ) -> None:
        self.name, self.loaded, self.parameters, self.task, self.options = name, loaded, parameters, task, options
        self.random_state = torch.get_rng_state()

    def with_norms(self, norm: NormFactory, conv: type[nn.Conv2d]) -> nn.Module | None:
        """The network, which asks for its norm layers; None if it does not ask for any.

        It is made twice, since some norms must know the size of their input. Norm layers draw no random numbers.
        """
        slots = NormSlots(self.name)
        dry = self._made(norm=slots, conv=conv)
        if not slots.placeholders:
            return None
        self._check_convs(conv)
        self._check_copy(dry)
        before = _weights(dry, besides=slots.placeholders)
        warnings = try_images(self.name, dry, self.task)
        layers = NormLayers(self.name, norm, slots, slots.sizes_in(dry))
        network = self._made(norm=layers, conv=conv)
        now = dict(network.named_parameters())
        if any(name not in now or not torch.equal(value, now[name]) for name, value in before.items()):
            raise ConfigError(
                f"model {self.name!r} draws its weights from something else than torch's generator: one seed would not "
                "give every norm the same weights"
            )
        keep_notes(network, warnings=[*warnings, *_norms_of_its_own(network), *layers.warnings()])
        return network

    def with_exchanged_norms(self, norm: NormFactory, conv: type[nn.Conv2d]) -> nn.Module:
        """The network with its own norm layers exchanged for those of `norm`."""
        network = self._made()
        self._check_copy(network)
        with left_as_it_is(network):
            warnings = try_images(self.name, network, self.task)
        own_options = getattr(norm, "own_options", ())
        try:
            found = exchanged(network, norm, self.task.image_shape, own_options=own_options, conv=conv)
        except NormbenchError as error:
            raise ConfigError(f"model {self.name!r}: {error}") from error
        keep_notes(network, exchanged=found.rows, warnings=[*warnings, *found.warnings])
        return network

    def _made(self, norm: NormSlots | NormLayers | None = None, conv: type[nn.Conv2d] = nn.Conv2d) -> nn.Module:
        given = self.parameters.of_task(self.task)
        if norm is not None and self.parameters.norm:
            given[self.parameters.norm] = as_norm_layer(self.name, norm)
        if self.parameters.conv:
            given[self.parameters.conv] = conv
        made = self._called(given)
        if not isinstance(made, nn.Module):
            raise ConfigError(f"model {self.name!r} makes {_kind(made)}, not an nn.Module")
        try:
            check_plain(made)
        except ConfigError as error:
            raise ConfigError(f"model {self.name!r}: {error}") from error
        return made

    def _called(self, given: dict[str, Any]) -> object:
        """What the user's function returns. An open one may refuse some of what is `given`, and goes without it."""
        function: Callable[..., object] = self.loaded.found  # type: ignore[assignment]
        while True:
            torch.set_rng_state(self.random_state)
            try:
                with importable(self.loaded.folder):
                    return function(**self.options, **given)
            except NormbenchError:
                raise
            except (Exception, SystemExit) as error:  # the user's code may raise anything
                refused = _UNEXPECTED.search(str(error)) if isinstance(error, TypeError) else None
                if self.parameters.is_open and refused and refused[1] in given:
                    del given[refused[1]]
                    continue
                raise ConfigError(f"model {self.name!r} cannot be made: {reason(error)}") from error

    def _check_copy(self, network: nn.Module) -> None:
        """Raises ConfigError if it cannot be copied, as every network is, to count its operations."""
        try:
            deepcopy(network)
        except Exception as error:  # the user's network may hold anything
            raise ConfigError(
                f"model {self.name!r} cannot be copied with deepcopy: {reason(error)}; if it uses "
                "torch.nn.utils.weight_norm, take that of torch.nn.utils.parametrizations"
            ) from error

    def _check_convs(self, conv: type[nn.Conv2d]) -> None:
        if conv is not nn.Conv2d and not self.parameters.conv:
            raise ConfigError(
                f"norm.ws: model {self.name!r} makes its own convs: give it a parameter conv, the class of its convs"
            )


def _norms_of_its_own(network: nn.Module) -> list[str]:
    """A warning about norm layers that the network did not ask for."""
    marked = {id(inner) for layer in norm_layers(network).values() for inner in layer.modules()}
    own = [path for path, layer in network.named_modules() if isinstance(layer, _NORMS) and id(layer) not in marked]
    what = "norm layers that the network makes itself, which stay as they are unless model.exchange is true"
    return [f"{what}: {listed(own)}"] if own else []


def _weights(network: nn.Module, besides: list[Any]) -> dict[str, torch.Tensor]:
    """The parameters by name, without those of norm layers, and without those that are not made yet."""
    left_out = {id(parameter) for layer in besides for parameter in layer.parameters()}
    kept = {name: value for name, value in network.named_parameters() if id(value) not in left_out}
    return {name: value.detach().clone() for name, value in kept.items() if not is_lazy(value)}


def _kind(found: object) -> str:
    return f"the class {found.__name__}" if isinstance(found, type) else type(found).__name__
