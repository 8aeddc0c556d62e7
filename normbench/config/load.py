"""A config file and the command line's overrides -> a frozen `Config`, or all that is wrong with them at once."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from normbench.config.choices import resolve_choice
from normbench.config.experiment.ranges import expand_range
from normbench.config.files import find_config, merge, read_layers, shipped_configs
from normbench.config.messages import describe, shown
from normbench.config.overrides import override_tree
from normbench.config.schema import (
    AUGMENT,
    CHOICES,
    EXPERIMENT_KEYS,
    SECTIONS,
    SOURCE,
    Choice,
    Config,
    Misfit,
    Registry,
)
from normbench.config.yaml import KeyPath, Located, Place, Problem, dotted, located
from normbench.errors import ConfigError
from normbench.text import unknown_name

Validate = Callable[[Located, list[Problem]], Config | None]
"""`validated` with all but its first two arguments given."""

_DEFAULTS = Place("the built-in defaults")

MAX_LINES = 50
"""A message of more is not read; a sweep can have a problem for each of thousands of values."""

MAX_PROBLEMS = 1_000
"""Nor are more looked for."""


def load_config(
    source: str | Path | None,
    registries: Mapping[str, Registry],
    overrides: Sequence[tuple[str, Any, str]] = (),
    misfits: Callable[[Config], Iterable[Misfit]] = lambda config: (),
) -> Config:
    """The config that `source` holds, with `overrides` on top, complete: each choice has all its options.

    `source` is a path or the name of a shipped config; None is the shipped `default`.
    `registries` has the keys norm, model, data.source, data.augment, train.optimizer and train.schedule.
    An override is (dotted key, value, the flag it came from); text is read as YAML, except where the config holds text.
    `misfits` tells what else is wrong with a config whose names and types are right.
    Raises ConfigError with a line per problem.
    """
    problems: list[Problem] = []
    layers = read_all(source, overrides, problems)
    many = [(layer.value[key].place, key) for layer in layers for key in EXPERIMENT_KEYS if key in layer.value]
    if many:
        place, key = many[-1]
        text = (
            "makes an experiment of many runs, which 'normbench sweep' trains; this command takes a config of one run"
        )
        raise ConfigError(str(Problem(place, (key,), text)))
    config = validated(on_defaults(layers), problems, registries, misfits)
    if config is None or problems:
        raise refusal(problems)
    return config


def read_all(
    source: str | Path | None, overrides: Sequence[tuple[str, Any, str]], problems: list[Problem]
) -> list[Located]:
    """The layers of a config: the files, the base first, then the overrides.

    A range of seeds is written out in each, as a later layer replaces all seeds. Raises ConfigError if a file cannot
    be had at all; there is nothing then to check the rest against.
    """
    try:
        layers = _files(source, problems)
    except ConfigError as error:
        raise refusal(problems, str(error)) from None
    layers.append(override_tree(overrides, problems))
    for layer in layers:
        seeds = layer.value.get("seeds")
        if seeds and isinstance(seeds.value, dict):
            layer.value["seeds"] = expand_range(seeds, ("seeds",), problems) or located([0], seeds.place)
    return layers


def on_defaults(layers: Iterable[Located]) -> Located:
    """One tree of all layers, on top of the built-in defaults."""
    tree = located(Config().to_dict(), _DEFAULTS)
    for layer in layers:
        tree = merge(tree, layer)
    return tree


def refusal(problems: Iterable[Problem], *more: str) -> ConfigError:
    """The error with a line for each problem, file by file."""
    in_order = sorted(problems, key=lambda problem: (problem.place.origin, problem.place.line or 0))
    lines = list(dict.fromkeys(map(str, in_order)))
    if len(lines) > MAX_LINES:
        lines[MAX_LINES:] = [f"and {len(lines) - MAX_LINES:,} problems more"]
    return ConfigError("\n".join([*lines, *more]))


def stop_if_many(problems: Sequence[Problem]) -> None:
    """Raises ConfigError with what was found so far, once it is more than anybody reads."""
    if len(problems) > MAX_PROBLEMS:
        raise refusal(problems)


def _files(source: str | Path | None, problems: list[Problem]) -> list[Located]:
    if source is None and "default" not in shipped_configs():
        return []
    return read_layers(find_config("default" if source is None else source), problems)


def validated(
    tree: Located,
    problems: list[Problem],
    registries: Mapping[str, Registry],
    misfits: Callable[[Config], Iterable[Misfit]] = lambda config: (),
) -> Config | None:
    """The tree as a config with all options of its choices; None after adding what is wrong to `problems`."""
    before = len(problems)
    plain = tree.plain()
    for path, choice in _resolved_choices(tree, registries, problems):
        section = plain
        for key in path[:-1]:
            section = section[key]
        section[path[-1]] = choice
    _check_source(tree, registries["data.source"], problems)
    _check_epochs(tree, problems)
    try:
        config = Config.model_validate(plain)
    except ValidationError as error:
        problems.extend(_problems_of(error, tree))
        return None
    if len(problems) == before:
        problems.extend(_misfit(tree, key, text) for key, text in misfits(config))
    return config if len(problems) == before else None


def _misfit(tree: Located, key: KeyPath, text: str) -> Problem:
    """Placed at the option that the sentence names first, if it is written down."""
    found = tree.find(key)
    options = found.value if isinstance(found.value, dict) else {}
    named = [
        (match.start(), node.place) for name, node in options.items() if (match := re.search(rf"\b{name}\b", text))
    ]
    _, place = min(named, key=itemgetter(0), default=(0, found.place))
    return Problem(place, () if text.startswith(dotted(key)) else key, text)


def _resolved_choices(
    tree: Located, registries: Mapping[str, Registry], problems: list[Problem]
) -> Iterable[tuple[KeyPath, Choice | tuple[Choice, ...]]]:
    """Each choice's place in the config and what belongs there; a stand-in where it is wrong, as that is reported."""
    stand_in = Choice("")
    for path, label in CHOICES.items():
        if not _is_in_section(tree, path):
            continue
        choice = resolve_choice(tree.find(path), path, str(path[-1]), label, registries[dotted(path)], problems)
        yield path, choice or stand_in
    if not _is_in_section(tree, AUGMENT):
        return
    augment = tree.find(AUGMENT)
    if not isinstance(augment.value, list):
        text = f"must be a list of augmentations, such as [flip], found {shown(augment.plain())}"
        problems.append(Problem(augment.place, AUGMENT, text))
        yield AUGMENT, ()
        return
    registry = registries[dotted(AUGMENT)]
    choices = [
        resolve_choice(item, (*AUGMENT, index), "augmentation", "name", registry, problems)
        for index, item in enumerate(augment.value)
    ]
    yield AUGMENT, tuple(choice or stand_in for choice in choices)


def _is_in_section(tree: Located, path: KeyPath) -> bool:
    """Whether all that leads to `path` is a mapping; if not, the schema says so. (The defaults hold every key.)"""
    return isinstance(tree.find(path[:-1]).value, dict)


def _check_source(tree: Located, registry: Registry, problems: list[Problem]) -> None:
    source = tree.find(SOURCE)
    if _is_in_section(tree, SOURCE) and isinstance(source.value, str) and source.value not in registry:
        problems.append(Problem(source.place, SOURCE, unknown_name("data source", source.value, registry)))


def _check_epochs(tree: Located, problems: list[Problem]) -> None:
    """The budget. Checked here, not in the schema, so that it is reported together with everything else."""
    path, limit = ("train", "epochs"), ("budget", "max_epochs")
    if not (_is_in_section(tree, path) and _is_in_section(tree, limit)):
        return
    epochs, most = tree.find(path), tree.find(limit).value
    if type(epochs.value) is int and type(most) is int and epochs.value > most >= 1:
        text = (
            f"{shown(epochs.value)} epochs are over the budget of {shown(most)} (budget.max_epochs); train for fewer, "
            "or lift the budget with 'budget: {max_epochs: null}'"
        )
        key = limit if epochs.place == _DEFAULTS else path  # whichever somebody has written
        problems.append(Problem(tree.find(key).place, key, text))


def _problems_of(error: ValidationError, tree: Located) -> list[Problem]:
    by_path: dict[KeyPath, list[ErrorDetails]] = {}
    for details in error.errors():
        by_path.setdefault(details["loc"], []).append(details)
    return [Problem(tree.find(path).place, path, _sentence(path, details, tree)) for path, details in by_path.items()]


def _sentence(path: KeyPath, details: Sequence[ErrorDetails], tree: Located) -> str:
    found, kind = tree.find(path), details[0]["type"]
    if kind == "extra_forbidden":
        return _unknown_key(tuple(map(str, path)), found.place)
    if kind == "model_type":
        section = SECTIONS[path]
        return f"must be a mapping with some of {', '.join(section.model_fields)}; found {shown(found.plain())}"
    sentence = describe(details, found.plain())
    is_no_list = path == ("seeds",) and kind == "tuple_type"
    return f"{sentence}; such as [0, 1, 2], or the range {{from: 0, to: 2}}" if is_no_list else sentence


def _unknown_key(path: tuple[str, ...], place: Place) -> str:
    key = path[-1]
    known = list(SECTIONS[path[:-1]].model_fields)
    if path == ("extends",):
        return "can stand only in a file; on the command line, name the file to start from as the config"
    if len(path) == 1 and place.line is not None:
        known += ["extends", *EXPERIMENT_KEYS]
    homes = [dotted((*section, key)) for section, model in SECTIONS.items() if key in model.model_fields]
    text = unknown_name("key", key, known)
    if homes:
        return f"{text}; the key of that name is {homes[0]}"
    nested = tuple(key.split("."))
    if nested[-1] in getattr(SECTIONS.get(nested[:-1]), "model_fields", ()):
        return f"{text}; in a file, write {nested[-1]!r} below {'.'.join(nested[:-1])!r}, indented"
    return text
