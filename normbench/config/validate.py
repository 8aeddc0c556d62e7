"""A tree of located values -> a frozen `Config`, or the problems of every value in it."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import itemgetter

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from normbench.config.choices import resolve_choice
from normbench.config.messages import describe, shown
from normbench.config.overrides import ALIASES
from normbench.config.problems import Problem, Problems
from normbench.config.schema import (
    AUGMENT,
    CHOICES,
    EXPERIMENT_KEYS,
    SECTIONS,
    SOURCE,
    Choice,
    Config,
    KeyProblem,
    Registry,
)
from normbench.config.tree import KeyPath, Located, Place, dotted
from normbench.text import unknown_name

DEFAULTS = Place("the built-in defaults")

Registries = Mapping[str, Registry]
"""The registries of the keys norm, model, data.source, data.augment, train.optimizer and train.schedule."""

Check = Callable[[Config], Iterable[KeyProblem]]
"""Finds what is wrong with a config whose types and names are right, such as a network over its budget."""

Validate = Callable[[Located, Problems], Config | None]
"""`validated` with registries and check bound."""


def check_nothing(config: Config) -> tuple[KeyProblem, ...]:
    return ()


def validated(tree: Located, problems: Problems, registries: Registries, check: Check = check_nothing) -> Config | None:
    """The tree as a config, its choices complete; None after adding what is wrong to `problems`."""
    here = problems.scope()
    plain = tree.plain()
    for path, choice in _resolved_choices(tree, registries, here):
        section = plain
        for key in path[:-1]:
            section = section[key]
        section[path[-1]] = choice
    _check_source(tree, registries["data.source"], here)
    _check_epochs(tree, here)
    try:
        config = Config.model_validate(plain)
    except ValidationError as error:
        here.extend(_schema_problems(error, tree))
        return None
    if here.ok:
        here.extend(refusals(tree, config, check))
    return config if here.ok else None


def refusals(tree: Located, config: Config, check: Check) -> list[Problem]:
    """What `check` finds wrong with the config of `tree`, each at the place of its value."""
    return [_placed(tree, key, text) for key, text in check(config)]


def _resolved_choices(
    tree: Located, registries: Registries, problems: Problems
) -> Iterator[tuple[KeyPath, Choice | tuple[Choice, ...]]]:
    """Each choice with its key. In place of a wrong one, which is reported, stands an empty choice."""
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
        problems.add(augment.place, AUGMENT, text)
        yield AUGMENT, ()
        return
    registry = registries[dotted(AUGMENT)]
    choices = [
        resolve_choice(item, (*AUGMENT, index), "augmentation", "name", registry, problems)
        for index, item in enumerate(augment.value)
    ]
    yield AUGMENT, tuple(choice or stand_in for choice in choices)


def _is_in_section(tree: Located, path: KeyPath) -> bool:
    """Whether every value above `path` is a mapping; the schema reports one that is not. (Defaults hold every key.)"""
    return isinstance(tree.find(path[:-1]).value, dict)


def _check_source(tree: Located, registry: Registry, problems: Problems) -> None:
    source = tree.find(SOURCE)
    if _is_in_section(tree, SOURCE) and isinstance(source.value, str) and source.value not in registry:
        problems.add(source.place, SOURCE, unknown_name("data source", source.value, registry))


def _check_epochs(tree: Located, problems: Problems) -> None:
    """The budget of epochs. Checked outside the schema, so that it is reported together with all other problems."""
    path, limit = ("train", "epochs"), ("budget", "max_epochs")
    if not (_is_in_section(tree, path) and _is_in_section(tree, limit)):
        return
    epochs, most = tree.find(path), tree.find(limit).value
    if type(epochs.value) is int and type(most) is int and epochs.value > most >= 1:
        text = (
            f"{shown(epochs.value)} epochs are over the budget of {shown(most)} (budget.max_epochs); train for fewer, "
            "or lift the budget with 'budget: {max_epochs: null}', or --set budget.max_epochs=null"
        )
        key = limit if epochs.place == DEFAULTS else path  # the key that the user has written
        problems.add(tree.find(key).place, key, text)


def _placed(tree: Located, key: KeyPath, text: str) -> Problem:
    """A problem at the place of the option that `text` names first, if the config sets that option."""
    found = tree.find(key)
    options = found.value if isinstance(found.value, dict) else {}
    named = [
        (match.start(), node.place) for name, node in options.items() if (match := re.search(rf"\b{name}\b", text))
    ]
    _, place = min(named, key=itemgetter(0), default=(0, found.place))
    return Problem(place, () if text.startswith(dotted(key)) else key, text)


def _schema_problems(error: ValidationError, tree: Located) -> list[Problem]:
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
    homes += [full for short, full in ALIASES.items() if key in (short, short.rpartition(".")[2])]
    text = unknown_name("key", key, known)
    if homes:
        return f"{text}; the key of that name is {homes[0]}"
    nested = tuple(key.split("."))
    if nested[-1] in getattr(SECTIONS.get(nested[:-1]), "model_fields", ()):
        return f"{text}; in a file, write {nested[-1]!r} below {'.'.join(nested[:-1])!r}, indented"
    return text
