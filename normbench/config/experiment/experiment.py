"""An experiment: all the runs that one YAML describes by `seeds`, `sweep`, `exclude` and `tune`."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from normbench.config.experiment.axes import Axis, check_apart, with_row, written_values
from normbench.config.experiment.axis_keys import key_path
from normbench.config.experiment.cells import kept_cells
from normbench.config.experiment.ranges import MAX_RUNS, MAX_VALUES
from normbench.config.experiment.sections import take_sections
from normbench.config.experiment.tune import Tune, read_tune
from normbench.config.load import on_defaults, read_all, refusal, validated
from normbench.config.schema import Config, Misfit, Registry
from normbench.config.yaml import Located, Place, Problem, located


@dataclass(frozen=True)
class Experiment:
    """All runs of one YAML.

    `runs` have one seed each. They go seed by seed and within a seed cell by cell, the first axis slowest, so that
    whatever an interrupted sweep has finished is paired: the same seeds for every norm. No two are equal.
    `axes` holds the values of each swept key in their order, each once (keys that go together are apart here).
    """

    name: str
    runs: tuple[Config, ...]
    axes: Mapping[str, tuple[Any, ...]]
    num_excluded: int  # runs that `exclude` leaves out
    tune: Tune | None = None


def load_experiment(
    source: str | Path | None,
    registries: Mapping[str, Registry],
    overrides: Sequence[tuple[str, Any, str]] = (),
    misfits: Callable[[Config], Iterable[Misfit]] = lambda config: (),
) -> Experiment:
    """The experiment that `source` describes, every run of it validated; of a plain config, a run a seed.

    The arguments are those of `load_config`. Overrides change the config that the sweep varies; of a swept key they are
    refused, as they could have no effect, and `sweep.<key>`, `tune.<key>` and `exclude` replace what the file has.
    Raises ConfigError with a line per problem.
    """
    problems: list[Problem] = []
    layers = read_all(source, overrides, problems)
    sections = take_sections(layers, problems)
    base = on_defaults(layers)
    check_apart(sections.axes, problems)
    _check_number(sections.sweep, base, problems)
    validate = partial(validated, registries=registries, misfits=misfits)
    cells, num_excluded = kept_cells(base, sections.sweep, sections.exclude, validate, problems)
    tune = read_tune(sections, cells, validate, problems)
    configs = [cell.config for cell in cells if cell.config]
    if problems:
        raise refusal(problems)
    seeds = configs[0].seeds
    return Experiment(
        name=configs[0].name,
        runs=tuple(config.for_seed(seed) for seed in seeds for config in configs),
        axes=written_values(sections.sweep),
        num_excluded=num_excluded * len(seeds),
        tune=tune,
    )


def _check_number(axes: Sequence[Axis], base: Located, problems: list[Problem]) -> None:
    """Raises ConfigError, with the problems so far, if there are too many or too large runs to look at each."""
    seeds = base.find(("seeds",))
    num_seeds = len(seeds.value) if isinstance(seeds.value, list) and seeds.value else 1
    counts = {str(axis): len(axis.rows) for axis in axes} | {"seeds": num_seeds}
    num_runs = math.prod(counts.values())
    if num_runs > MAX_RUNS:
        product = " x ".join(f"{num:,} ({key})" for key, num in counts.items())
        place = axes[-1].place if axes else seeds.place
        text = f"{product} = {num_runs:,} runs, and an experiment may have {MAX_RUNS:,}"
        raise refusal([*problems, Problem(place, ("sweep",) if axes else ("seeds",), text)])
    size = base.size + sum(axis.size for axis in axes)
    num_cells = num_runs // num_seeds
    if num_cells * size > MAX_VALUES:
        widest = max(axes, key=lambda axis: axis.size)
        text = f"{num_cells:,} combinations of some {size:,} values each are more than can be looked at"
        raise refusal([*problems, Problem(widest.place, widest.path, f"{text}; {MAX_VALUES:,} values are allowed")])


def with_values(config: Config, values: Mapping[str, Any], registries: Mapping[str, Registry]) -> Config:
    """`config` with some dotted keys set, validated: a trial is a run with a point's values, its seed, and val.

    Raises ConfigError if the values do not fit.
    """
    problems: list[Problem] = []
    tree = located(config.to_dict(), Place("the config"))
    place = Place(f"with {', '.join(values)}")
    changed = with_row(tree, map(key_path, values), [located(value, place) for value in values.values()])
    found = validated(changed, problems, registries)
    if found is None or problems:
        raise refusal(problems)
    return found
