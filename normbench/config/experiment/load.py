"""An experiment: all the runs that one YAML describes by `seeds`, `sweep`, `exclude` and `tune`."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from normbench.config.experiment.axes import Axis, check_disjoint, with_row, written_values
from normbench.config.experiment.cells import included_cells
from normbench.config.experiment.sections import take_sections
from normbench.config.experiment.tune import Tune, read_tune
from normbench.config.load import on_defaults, read_all
from normbench.config.overrides import Override, key_path
from normbench.config.problems import Problems
from normbench.config.ranges import MAX_RUNS, MAX_VALUES
from normbench.config.schema import Config
from normbench.config.tree import Located, Place, located
from normbench.config.validate import Check, Registries, check_nothing, refusals, validated


@dataclass(frozen=True)
class Experiment:
    """All runs of one YAML.

    `runs` have one seed each, and no two are equal. They are ordered by seed, and within a seed by cell, the first axis
    slowest: the finished runs of an interrupted sweep are paired, with the same seeds for every norm.
    `axes` holds the values of each swept key in their order, each once (keys that vary together are separate here).
    """

    name: str
    runs: tuple[Config, ...]
    axes: Mapping[str, tuple[Any, ...]]
    num_excluded: int  # runs that `exclude` leaves out
    tune: Tune | None = None


def load_experiment(
    source: str | Path | None,
    registries: Registries,
    overrides: Sequence[Override] = (),
    check: Check = check_nothing,
) -> Experiment:
    """The experiment that `source` describes, with every run validated; a plain config gives one run for each seed.

    The arguments are those of `load_config`. An override changes the config that the sweep varies. An override of a
    swept key is refused, because it would have no effect; `sweep.<key>`, `tune.<key>` and `exclude` replace the file's.
    Raises ConfigError with a line per problem.
    """
    problems = Problems()
    layers = read_all(source, overrides, problems, registries)
    sections = take_sections(layers, problems)
    base = on_defaults(layers)
    check_disjoint(sections.axes, problems)
    _check_number(sections.sweep, base, problems)
    right: list[tuple[Located, Config]] = []

    def validate(tree: Located, problems: Problems) -> Config | None:
        config = validated(tree, problems, registries)
        if config:
            right.append((tree, config))
        return config

    cells, num_excluded = included_cells(base, sections.sweep, sections.exclude, validate, problems)
    right[:] = [(cell.tree, cell.config) for cell in cells if cell.config]  # an excluded cell may be wrong
    tune = read_tune(sections, cells, validate, problems)
    if not problems.ok:  # told before `check`, which may take seconds
        raise problems.error()
    for tree, config in right:
        problems.extend(refusals(tree, config, check))
        problems.raise_if_many()
    configs = [cell.config for cell in cells if cell.config]
    if not problems.ok:
        raise problems.error()
    seeds = configs[0].seeds
    return Experiment(
        name=configs[0].name,
        runs=tuple(config.for_seed(seed) for seed in seeds for config in configs),
        axes=written_values(sections.sweep),
        num_excluded=num_excluded * len(seeds),
        tune=tune,
    )


def with_values(config: Config, values: Mapping[str, Any], registries: Registries) -> Config:
    """`config` with some dotted keys set, validated. A tuning trial is a run with the values of a point.

    Raises ConfigError if the values do not fit.
    """
    problems = Problems()
    tree = located(config.to_dict(), Place("the config"))
    place = Place(f"with {', '.join(values)}")
    changed = with_row(tree, map(key_path, values), [located(value, place) for value in values.values()])
    found = validated(changed, problems, registries)
    if found is None:
        raise problems.error()
    return found


def _check_number(axes: Sequence[Axis], base: Located, problems: Problems) -> None:
    """Raises ConfigError, with the problems so far, if the runs are too many or too large to validate each."""
    seeds = base.find(("seeds",))
    num_seeds = len(seeds.value) if isinstance(seeds.value, list) and seeds.value else 1
    counts = {str(axis): len(axis.rows) for axis in axes} | {"seeds": num_seeds}
    num_runs = math.prod(counts.values())
    if num_runs > MAX_RUNS:
        product = " x ".join(f"{num:,} ({key})" for key, num in counts.items())
        text = f"{product} = {num_runs:,} runs, and an experiment may have {MAX_RUNS:,}"
        problems.add(axes[-1].place if axes else seeds.place, ("sweep",) if axes else ("seeds",), text)
        raise problems.error()
    size = base.size + sum(axis.size for axis in axes)
    num_cells = num_runs // num_seeds
    if num_cells * size > MAX_VALUES:
        widest = max(axes, key=lambda axis: axis.size)
        text = f"{num_cells:,} combinations of some {size:,} values each are more than can be looked at"
        problems.add(widest.place, widest.path, f"{text}; {MAX_VALUES:,} values are allowed")
        raise problems.error()
