"""A norm by its name in a config: one of NORMS, of an installed package, an import path, or a file."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from normbench.errors import ConfigError
from normbench.norms.aliases import resolve_norm
from normbench.norms.registry import NORMS
from normbench.plugins.errors import reason
from normbench.plugins.load import Loaded
from normbench.plugins.registry import PluginRegistry
from normbench.text import unknown_name

if TYPE_CHECKING:
    from torch import nn

    from normbench.norms.factory import Norm, NormFactory

Parts: TypeAlias = "tuple[NormFactory, type[nn.Conv2d]]"
"""What a norm puts into a network: the factory of its layers, and the class of the convs."""


class NormRegistry(PluginRegistry):
    """Every norm a config may name, with the norm's options and `ws`, which standardizes the weights of the convs.

    A plugin is a norm function as those in NORMS (keyword-only options -> factory), or a layer class with one
    positional parameter, num_channels, and its options as keyword-only parameters.
    """

    what, group = "norm", "normbench.norms"

    def adapt(self, name: str, loaded: Loaded) -> "Norm":
        return _as_norm(name, loaded.found)

    def __getitem__(self, name: str) -> Callable[..., Parts]:
        return _with_ws(super().__getitem__(name))

    def resolve(self, name: str, beside: Path | None = None) -> tuple[str, dict[str, Any]] | None:
        """As for all plugins; and the name and the options that another name of a norm stands for: `resolve_norm`."""
        found = super().resolve(name, beside)
        return found if found or name in self else resolve_norm(name)

    def named(self, name: str) -> tuple[str, dict[str, Any]]:
        """The norm and the options that `name` stands for: a name of this registry, or another name of one.

        Raises ConfigError for an unknown norm.
        """
        found = (name, {}) if name in self else self.resolve(name)
        if found is None:
            raise ConfigError(unknown_name("norm", name, self))
        return found


NORM_REGISTRY = NormRegistry(NORMS)
NORM_REGISTRY_NO_PLUGINS = NormRegistry(NORMS, plugins=False)
"""The same names; the look-up of a plugin raises ConfigError."""


def norm_registry(*, plugins: bool) -> NormRegistry:
    """Every norm; without `plugins` those from outside of normbench are refused."""
    return NORM_REGISTRY if plugins else NORM_REGISTRY_NO_PLUGINS


def _with_ws(norm: "Norm") -> Callable[..., Parts]:
    def parts(*, ws: bool = False, **options: Any) -> Parts:
        from torch import nn

        from normbench.norms.weight_standardization import StandardizedConv2d

        return norm(**options), StandardizedConv2d if ws else nn.Conv2d

    switch = inspect.Parameter("ws", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=bool)
    parameters = inspect.signature(norm, eval_str=True).parameters.values()
    parts.__signature__ = inspect.Signature([*parameters, switch])  # type: ignore[attr-defined]
    parts.__doc__ = norm.__doc__
    return parts


def _as_norm(name: str, found: object) -> "Norm":
    """A plugin as a norm function. The layers it makes are checked, and torch's random state is left as it was."""
    import torch
    from torch import nn

    if not callable(found):
        raise ConfigError(f"norm {name!r} is {type(found).__name__}, not a layer class or a function of options")
    is_layer = isinstance(found, type) and issubclass(found, nn.Module)
    parameters = _options(name, found, num_positional=1 if is_layer else 0)

    def norm(**options: Any) -> "NormFactory":
        def layer(num_channels: int, size: tuple[int, int]) -> nn.Module:
            with torch.random.fork_rng(devices=[]):
                return _checked(found, num_channels, **options) if is_layer else _checked(factory, num_channels, size)

        factory = None if is_layer else _called(found, **options)
        return layer

    def _called(function: Any, *arguments: Any, **options: Any) -> Any:
        try:
            return function(*arguments, **options)
        except ConfigError:
            raise
        except Exception as error:  # the user's code may raise anything
            given = ", ".join([*map(str, arguments), *(f"{key}={value!r}" for key, value in options.items())])
            raise ConfigError(f"norm {name!r} cannot be made ({given}): {reason(error)}") from error

    def _checked(function: Any, *arguments: Any, **options: Any) -> nn.Module:
        if not callable(function):
            raise ConfigError(f"norm {name!r} gives {type(function).__name__}, not a factory (num_channels, size)")
        made = _called(function, *arguments, **options)
        if not isinstance(made, nn.Module):
            raise ConfigError(f"norm {name!r} makes {type(made).__name__}, not an nn.Module")
        return made

    norm.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    norm.__doc__ = found.__doc__
    return norm


def _options(name: str, function: Callable[..., object], num_positional: int) -> list[inspect.Parameter]:
    """The keyword-only parameters of a plugin.

    Raises ConfigError if the plugin needs more than `num_positional` positional arguments.
    """
    try:
        signature = inspect.signature(function, eval_str=True)
    except Exception as error:  # an annotation may name something undefined
        raise ConfigError(f"norm {name!r}: its parameters cannot be read: {reason(error)}") from error
    options = [parameter for parameter in signature.parameters.values() if parameter.kind is parameter.KEYWORD_ONLY]
    try:
        signature.bind(*range(num_positional), **{option.name: None for option in options})
    except TypeError as error:
        wanted = "num_channels" if num_positional else "no positional argument"
        raise ConfigError(f"norm {name!r} must take {wanted} and keyword-only options: {error}") from error
    if any(option.name == "ws" for option in options):
        raise ConfigError(f"norm {name!r} has an option 'ws', which stands for weight standardization")
    return options
