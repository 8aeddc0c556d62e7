"""A norm by its name in a config: one of NORMS, of an installed package, or an import path."""

import inspect
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeAlias

from normbench.errors import ConfigError
from normbench.norms.aliases import resolve_norm
from normbench.norms.registry import NORMS
from normbench.text import unknown_name

if TYPE_CHECKING:
    from torch import nn

    from normbench.norms.factory import Norm, NormFactory

ENTRY_POINTS = "normbench.norms"
_IMPORT_PATH = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")

Parts: TypeAlias = "tuple[NormFactory, type[nn.Conv2d]]"
"""What a norm puts into a network: the factory of its layers, and the class of the convs."""


class NormRegistry(Mapping[str, Callable[..., Parts]]):
    """Every norm a config may name, with the norm's options and `ws`, which standardizes the weights of the convs.

    A name is one of NORMS, the name of an entry point in the group `normbench.norms`, or an import path
    `package.module:attribute`. The last two are plugins: code of the user, imported only when a config or a command
    names it, and never because of a file that normbench reads. A plugin is a norm function as those in NORMS
    (keyword-only options -> factory), or a layer class with one positional parameter, num_channels, and its options as
    keyword-only parameters.

    Iterates over the names without the import paths. A look-up raises KeyError for an unknown name, and ConfigError for
    a plugin that cannot be imported or has another form; without `plugins`, for every plugin.
    """

    def __init__(self, *, plugins: bool = True) -> None:
        self._plugins = plugins

    def __getitem__(self, name: str) -> Callable[..., Parts]:
        if name in NORMS:
            return _with_ws(NORMS[name])
        if not self._plugins and name in self:
            raise ConfigError(
                f"norm {name!r} is code from outside of normbench, and --no-plugins refuses it; "
                f"known: {', '.join(NORMS)}"
            )
        if ":" in name:
            return _with_ws(_as_norm(name, _imported(name)))
        entry = _entry_points()[name]
        try:
            found = entry.load()
        except Exception as error:
            raise ConfigError(f"norm {name!r} ({entry.value}) cannot be imported: {_reason(error)}") from error
        return _with_ws(_as_norm(name, found))

    def __contains__(self, name: object) -> bool:
        return name in NORMS or name in _entry_points() or (isinstance(name, str) and ":" in name)

    def resolve(self, name: str) -> tuple[str, dict[str, Any]] | None:
        """The name and the options that another name of a norm stands for: `resolve_norm`."""
        return resolve_norm(name)

    def named(self, name: str) -> tuple[str, dict[str, Any]]:
        """The norm and the options that `name` stands for: a name of this registry, or another name of one.

        Raises ConfigError for an unknown norm.
        """
        found = (name, {}) if name in self else resolve_norm(name)
        if found is None:
            raise ConfigError(unknown_name("norm", name, self))
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(NORMS | _entry_points() if self._plugins else NORMS)

    def __len__(self) -> int:
        return sum(1 for _ in self)


NORM_REGISTRY = NormRegistry()
NORM_REGISTRY_NO_PLUGINS = NormRegistry(plugins=False)
"""The same names; the look-up of a plugin raises ConfigError."""


def norm_registry(*, plugins: bool) -> NormRegistry:
    """Every norm; without `plugins` those from outside of normbench are refused."""
    return NORM_REGISTRY if plugins else NORM_REGISTRY_NO_PLUGINS


def _entry_points() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=ENTRY_POINTS)}


def _imported(path: str) -> object:
    if not _IMPORT_PATH.fullmatch(path):
        raise ConfigError(f"norm {path!r}: an import path has the form package.module:Name")
    module, _, attribute = path.partition(":")
    try:
        return getattr(_module(module), attribute)
    except ModuleNotFoundError as error:
        if error.name != module.partition(".")[0]:
            raise ConfigError(f"norm {path!r} cannot be imported: {_reason(error)}") from error
        raise ConfigError(
            f"norm {path!r}: there is no module {error.name!r} in this folder and none that is installed; "
            f"if {error.name}.py is in another folder, put that folder into PYTHONPATH"
        ) from None
    except Exception as error:  # the user's module may raise anything
        raise ConfigError(f"norm {path!r} cannot be imported: {_reason(error)}") from error


def _module(path: str) -> ModuleType:
    """The module, from where Python finds it, else from the current folder.

    Python finds no others there: the folder is on its path while that module is imported, and comes last.
    """
    name, here = path.partition(".")[0], Path.cwd()
    is_here = (here / f"{name}.py").is_file() or (here / name / "__init__.py").is_file()
    if not is_here or name in sys.modules or find_spec(name) is not None:
        return import_module(path)
    import torch  # noqa: F401  (before: it tries to import packages that are not installed)

    sys.path.append(str(here))
    try:
        return import_module(path)
    finally:
        sys.path.remove(str(here))


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}".removesuffix(": ")


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
            raise ConfigError(f"norm {name!r} cannot be made ({given}): {_reason(error)}") from error

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
        raise ConfigError(f"norm {name!r}: its parameters cannot be read: {_reason(error)}") from error
    options = [parameter for parameter in signature.parameters.values() if parameter.kind is parameter.KEYWORD_ONLY]
    try:
        signature.bind(*range(num_positional), **{option.name: None for option in options})
    except TypeError as error:
        wanted = "num_channels" if num_positional else "no positional argument"
        raise ConfigError(f"norm {name!r} must take {wanted} and keyword-only options: {error}") from error
    if any(option.name == "ws" for option in options):
        raise ConfigError(f"norm {name!r} has an option 'ws', which stands for weight standardization")
    return options
