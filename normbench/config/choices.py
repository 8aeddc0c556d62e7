"""A choice's name and options, checked against the function that the registry holds under the name."""

import inspect
import json
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from normbench.config.messages import describe, shown
from normbench.config.problems import Problems
from normbench.config.schema import LABELS, MAX_COUNT, MAX_FLOAT, MAX_LISTED, Choice, Registry
from normbench.config.tree import Exponent, KeyPath, Located
from normbench.errors import ConfigError
from normbench.text import shortened, unknown_name


def resolve_choice(
    node: Located, path: KeyPath, what: str, label: str, registry: Registry, problems: Problems
) -> Choice | None:
    """The choice with all its options, defaults included; None after adding what is wrong to `problems`.

    An option that is false or null by default is left out while it is: what a later version adds leaves the resolved
    configs of earlier runs as they were. `what` names the kind of thing in messages ("norm"), `label` is the
    key that holds the name ("kind").
    """
    given: dict[str, Located] = node.value if isinstance(node.value, dict) else {label: node}
    name = _chosen_name(given, node, path, what, label, registry, problems)
    if name is None:
        return None
    chosen = given[label]
    try:
        function = registry[name]
    except ConfigError as error:  # the name stands for code to be imported
        problems.add(chosen.place, (*path, label) if chosen is not node else path, str(error))
        return None
    known = options_of(function)
    here = problems.scope()
    others = [key for key in given if key not in known and key != label]
    unknown = [] if takes_any_option(function) else others
    known_elsewhere = {other: _options_or_none(registry, other) for other in registry} if unknown else {}
    for key in unknown:
        here.add(given[key].place, (*path, key), _unknown_option(key, what, name, known, known_elsewhere))
    options = {}
    for key, parameter in known.items():
        place = given[key].place if key in given else chosen.place
        value = given[key].plain() if key in given else parameter.default
        if value is inspect.Parameter.empty:
            here.add(place, path, f"{name} needs the option {key!r}")
            continue
        value, wrong = _as_option(value, parameter.annotation)
        if wrong:
            here.add(place, (*path, key), wrong)
        elif not (value is parameter.default and (value is None or value is False)):
            options[key] = value
    if not unknown:
        options |= {key: given[key].plain() for key in others}
    return Choice(name, options) if here.ok else None


def options_of(function: Callable[..., object]) -> dict[str, inspect.Parameter]:
    """The keyword-only parameters of a registry's function, in their order."""
    parameters = inspect.signature(function, eval_str=True).parameters
    return {name: parameter for name, parameter in parameters.items() if parameter.kind is parameter.KEYWORD_ONLY}


def takes_any_option(function: Callable[..., object]) -> bool:
    """Whether a registry's function takes options that it does not list, and checks them itself."""
    return any(found.kind is found.VAR_KEYWORD for found in inspect.signature(function).parameters.values())


def _chosen_name(
    given: Mapping[str, Located],
    node: Located,
    path: KeyPath,
    what: str,
    label: str,
    registry: Registry,
    problems: Problems,
) -> str | None:
    """The name if the registry has it; None after adding what is wrong to `problems`."""
    both = [key for key in LABELS if key in given]
    if len(both) > 1:
        problems.add(given[both[1]].place, path, f"the {what} is named twice, by {both[0]!r} and by {both[1]!r}")
        return None
    if label not in given:
        text = f"the key {label!r} is missing; it names the {what}: {', '.join(registry)}"
        problems.add(node.place, path, text)
        return None
    chosen = given[label]
    name = chosen.value.text if isinstance(chosen.value, Exponent) else chosen.value
    if isinstance(name, str) and name in registry:
        return name
    at = (*path, label) if chosen is not node else path
    problems.add(chosen.place, at, _not_a_name(chosen, what, label, registry))
    return None


def _options_or_none(registry: Registry, name: str) -> dict[str, inspect.Parameter]:
    """The options of a name that may stand for code which cannot be imported."""
    with suppress(ConfigError):
        return options_of(registry[name])
    return {}


def _as_option(value: Any, annotation: Any) -> tuple[Any, str]:
    """The value that the function gets, and what is wrong with it, empty if nothing is."""
    try:
        found = _validated(value, annotation)
    except ValidationError as error:
        return value, describe(error.errors(), value)
    items = found if isinstance(found, tuple) else (found,)
    if len(items) > MAX_LISTED:
        return found, f"must hold at most {MAX_LISTED} values, found {len(items):,}"
    for item in items:
        most = MAX_COUNT if isinstance(item, int) else MAX_FLOAT
        if isinstance(item, int | float) and abs(item) > most:
            return found, f"must be from {-most:,} to {most:,}, found {shown(value)}"
    return found, ""


def _validated(value: Any, annotation: Any) -> Any:
    """`value` as an instance of `annotation`, strictly; as in JSON, an int is a float too, and a list a tuple."""
    wanted = Any if annotation is inspect.Parameter.empty else annotation
    adapter: TypeAdapter[Any] = TypeAdapter(wanted, config=ConfigDict(strict=True, allow_inf_nan=False))
    try:
        return adapter.validate_json(json.dumps(value))
    except ValidationError:
        if isinstance(value, Exponent):
            with suppress(ValidationError):
                return adapter.validate_python(value.text)
        raise


def _not_a_name(chosen: Located, what: str, label: str, registry: Registry) -> str:
    if isinstance(chosen.value, str):
        return unknown_name(what, chosen.value, registry)
    form = f"a name, or a mapping with {label!r} and options"
    text = f"must be {form}; known names: {', '.join(registry)}; found {shown(chosen.plain())}"
    is_switch = isinstance(chosen.value, bool)
    return f"{text} (YAML reads no, yes, off and on as false and true)" if is_switch else text


def _unknown_option(
    key: str, what: str, name: str, known: Collection[str], known_elsewhere: Mapping[str, Collection[str]]
) -> str:
    others = [other for other, options in known_elsewhere.items() if key in options]
    none = f"unknown {name} option {shortened(repr(key))}: {name} has none"
    text = unknown_name(f"{name} option", key, known) if known else none
    return f"{text}; {what} {', '.join(others)} has {key!r}" if others else text
