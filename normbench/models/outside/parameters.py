"""The parameters of a user's class or function: those that normbench fills, and those that are options."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from normbench.errors import ConfigError
from normbench.models.task import Task
from normbench.plugins.errors import reason

NORM = ("norm", "norm_layer")
CONV = ("conv", "conv_layer")
CLASSES = ("num_classes", "n_classes", "nb_classes", "nclasses", "classes", "num_labels")
CHANNELS = ("in_channels", "in_chans", "input_channels", "in_ch")
SIZE = ("image_size", "img_size")
"""Names under which a network may ask for the norm, the class of its convs, and what it is built for."""

RESERVED = ("kind", "name", "exchange", "sha256")
"""Keys of `model` in a config that stand for something else than an option of the network."""

_PLAIN = (bool, int, float, str, NoneType)
_TYPE_OF_DEFAULT: Mapping[type, Any] = {
    bool: bool,
    int: int,
    float: float,
    str: str,
    list: list[Any],
    tuple: tuple[Any, ...],
}


@dataclass(frozen=True)
class Parameters:
    """norm, conv: the name of the parameter that takes it; None for a network that makes its own.

    filled: the names of those that the task fills. is_open: whether it takes any keyword, as a constructor of
    torchvision or timm that passes on its `**kwargs`.
    """

    norm: str | None
    conv: str | None
    filled: tuple[str, ...]
    options: tuple[inspect.Parameter, ...]
    is_open: bool

    def of_task(self, task: Task) -> dict[str, Any]:
        """The arguments that follow from the task. An open network may refuse some of them."""
        names = self.filled
        if self.is_open:
            channels = () if task.image_shape[0] == 3 else CHANNELS[:2]
            names = (*names, *(name for name in (CLASSES[0], *channels) if name not in names))
        return {name: _of_task(name, task) for name in names}


def read_parameters(name: str, function: Any) -> Parameters:
    """The parameters of the network `name`. Raises ConfigError if it cannot be called by keywords."""
    found = _parameters(name, function)
    is_open = any(parameter.kind is parameter.VAR_KEYWORD for parameter in found.values())
    by_keyword = {key: p for key, p in found.items() if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    for key, parameter in found.items():
        if parameter.kind is parameter.POSITIONAL_ONLY and parameter.default is parameter.empty:
            raise ConfigError(f"model {name!r}: its parameter {key!r} must be one that can be given by name")
    norm = next((key for key in NORM if key in by_keyword and _takes_a_function(by_keyword[key])), None)
    conv = next((key for key in CONV if key in by_keyword and _takes_a_function(by_keyword[key])), None)
    filled = tuple(key for key in by_keyword if key in (*CLASSES, *CHANNELS, *SIZE))
    others = [p for key, p in by_keyword.items() if key not in (norm, conv, *filled, *RESERVED)]
    options = tuple(option for parameter in others if (option := _option(parameter)))
    return Parameters(norm or (NORM[1] if is_open else None), conv, filled, options, is_open)


def _parameters(name: str, function: Any) -> Mapping[str, inspect.Parameter]:
    try:
        try:
            return inspect.signature(function, eval_str=True).parameters
        except NameError:  # an annotation names what is imported for type checkers only
            return inspect.signature(function).parameters
    except Exception as error:  # the user's code may raise anything
        raise ConfigError(f"model {name!r}: its parameters cannot be read: {reason(error)}") from error


def _takes_a_function(parameter: inspect.Parameter) -> bool:
    """Whether a parameter called `norm` takes a factory: one whose default is text or a switch takes a name."""
    default = parameter.default
    return default is parameter.empty or default is None or callable(default)


def _of_task(name: str, task: Task) -> Any:
    if name in CLASSES:
        return task.num_classes
    if name in CHANNELS:
        return task.image_shape[0]
    height, width = task.image_size
    return height if height == width else task.image_size


def _option(parameter: inspect.Parameter) -> inspect.Parameter | None:
    """The parameter as an option of a config; None if its default is no plain value, and so stays as it is."""
    default, wanted = parameter.default, parameter.annotation
    if default is not parameter.empty and not _is_plain_value(default):
        return None
    if not _is_plain_type(wanted):
        wanted = _TYPE_OF_DEFAULT.get(type(default), Any)
    return parameter.replace(kind=parameter.KEYWORD_ONLY, annotation=wanted)


def _is_plain_value(value: object) -> bool:
    return all(map(_is_plain_value, value)) if isinstance(value, list | tuple) else type(value) in _PLAIN


def _is_plain_type(annotation: Any) -> bool:
    """Whether values of the type can stand in a YAML file."""
    origin = get_origin(annotation)
    if origin is Literal:
        return True
    if origin in (Union, UnionType, list, tuple):
        return all(part is Ellipsis or _is_plain_type(part) for part in get_args(annotation))
    return annotation in _PLAIN
