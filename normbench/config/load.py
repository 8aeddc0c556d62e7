"""The config of one run: a file, the files it extends and the command line's overrides -> a frozen `Config`."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from normbench.config.files import find_config, merge, read_layers, shipped_configs
from normbench.config.overrides import Override, override_tree
from normbench.config.problems import Problem, Problems
from normbench.config.ranges import expand_range
from normbench.config.schema import EXPERIMENT_KEYS, Config
from normbench.config.spelling import spelled
from normbench.config.tree import Located, located
from normbench.config.validate import DEFAULTS, Check, Registries, check_nothing, validated
from normbench.errors import ConfigError


def load_config(
    source: str | Path | None,
    registries: Registries,
    overrides: Sequence[Override] = (),
    check: Check = check_nothing,
) -> Config:
    """The config that `source` holds, with `overrides` on top, complete: each choice has all its options.

    `source` is a path or the name of a shipped config; None is the shipped `default`. `check` finds what else is wrong
    with a config whose types and names are right. Raises ConfigError with a line per problem.
    """
    problems = Problems()
    layers = read_all(source, overrides, problems, registries)
    many = [(layer.value[key].place, key) for layer in layers for key in EXPERIMENT_KEYS if key in layer.value]
    if many:
        place, key = many[-1]
        text = (
            "makes an experiment of many runs, which 'normbench sweep' trains; this command takes a config of one run"
        )
        raise ConfigError(str(Problem(place, (key,), text)))
    config = validated(on_defaults(layers), problems, registries, check)
    if config is None or not problems.ok:
        raise problems.error()
    return config


def read_all(
    source: str | Path | None, overrides: Sequence[Override], problems: Problems, registries: Registries
) -> list[Located]:
    """The layers of a config: its files, the base first, then the overrides; choices have the registries' names.

    A range of seeds is expanded in each layer, because a later layer replaces all seeds. Raises ConfigError if a file
    cannot be read: nothing is left then to check the other layers against.
    """
    try:
        layers = _files(source, problems)
    except ConfigError as error:
        raise problems.error(str(error)) from None
    layers.append(override_tree(overrides, problems))
    for layer in layers:
        seeds = layer.value.get("seeds")
        if seeds and isinstance(seeds.value, dict):
            layer.value["seeds"] = expand_range(seeds, ("seeds",), problems) or located([0], seeds.place)
    return [spelled(layer, registries) for layer in layers]


def on_defaults(layers: Iterable[Located]) -> Located:
    """One tree of all layers, on top of the built-in defaults."""
    tree = located(Config().to_dict(), DEFAULTS)
    for layer in layers:
        tree = merge(tree, layer)
    return tree


def _files(source: str | Path | None, problems: Problems) -> list[Located]:
    if source is None and "default" not in shipped_configs():
        return []
    return read_layers(find_config("default" if source is None else source), problems)
