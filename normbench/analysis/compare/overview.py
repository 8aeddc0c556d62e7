"""What there is to compare, a row for each set of runs, and what tells the sets apart in few words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from normbench.analysis.compare.rows import order
from normbench.analysis.compare.run import Run
from normbench.analysis.compare.sets import RunSet, values_of
from normbench.analysis.compare.words import importance, in_words
from normbench.runs.folder import PUBLISHED, is_published

Settings = Mapping[str, tuple[str, ...]]
"""The values of each setting within a set, by dotted key."""


@dataclass(frozen=True)
class SetRow:
    """`experiments` by name, those that a project publishes as `published/<name>`; `labels` of the norms, in the order
    of the tables; `newest` is an ISO date and time; `apart`: the settings that not all sets share, in words.
    """

    experiments: tuple[str, ...]
    labels: tuple[str, ...]
    num_runs: int
    newest: str
    apart: tuple[str, ...]


def overview(sets: Sequence[RunSet]) -> tuple[SetRow, ...]:
    """A row for each set, in their order."""
    settings = [_settings(found) for found in sets]
    telling = _telling(settings)
    return tuple(_row(found, shown, telling) for found, shown in zip(sets, settings, strict=True))


def _settings(found: RunSet) -> Settings:
    names = dict.fromkeys(name for recipe in found.recipes.values() for name in recipe)
    return {name: values_of(found, name) for name in [*names, *([found.key] if found.key else [])]}


def _telling(settings: Sequence[Settings]) -> list[str]:
    """The few names by which each set differs from each other one; one of them of the data if these differ."""
    names = dict.fromkeys(name for shown in settings for name in shown)
    differing = [name for name in names if len({shown.get(name) for shown in settings}) > 1]
    differing.sort(key=importance)  # stable: settings without words of their own in the order of the config
    telling: list[str] = []
    for name in differing:
        if _num_told_apart(settings, [*telling, name]) > _num_told_apart(settings, telling):
            telling.append(name)
    of_the_data = [name for name in differing if name.startswith("data.")]
    return telling if any(name in of_the_data for name in telling) else [*telling, *of_the_data[:1]]


def _num_told_apart(settings: Sequence[Settings], names: Sequence[str]) -> int:
    return len({tuple(shown.get(name) for name in names) for shown in settings})


def _row(found: RunSet, settings: Settings, telling: Sequence[str]) -> SetRow:
    records = sorted((run.record for run in found.runs), key=order)
    return SetRow(
        experiments=tuple(sorted({_experiment(run) for run in found.runs})),
        labels=tuple(dict.fromkeys(record.label for record in records)),
        num_runs=len(records),
        newest=found.newest.isoformat(),
        apart=tuple(in_words(name, settings[name]) for name in telling if settings.get(name)),
    )


def _experiment(run: Run) -> str:
    name = run.record.experiment
    return f"{PUBLISHED}/{name}" if is_published(run.folder.path) else name
