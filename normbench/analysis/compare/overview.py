"""What there is to compare, a row for each set of runs, and what tells the sets apart in few words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from normbench.analysis.compare.recipe import OF_THE_DATA
from normbench.analysis.compare.rows import order
from normbench.analysis.compare.sets import RunSet, values_of
from normbench.analysis.compare.words import importance, in_words
from normbench.files import PUBLISHED
from normbench.runs.folder import is_published
from normbench.text import listed

Settings = Mapping[str, tuple[str, ...]]
"""The values of each setting within a set, by dotted key."""

DATA = "data"
"""Stands for all keys that say which images a set is about."""

_TELLS_IMAGES = ("data.evaluate_on", "data.num_train", "data.num_eval", "data.fingerprint")
"""What tells images of one source apart, the plainest first."""


@dataclass(frozen=True)
class SetRow:
    """`experiments` by name, those that a project publishes as `published/<name>` where not all are; `labels` of the
    norms, in the order of the tables; `newest` is an ISO date and time; `apart`: what the set goes along, and the
    settings that tell it from the others, in words.
    """

    experiments: tuple[str, ...]
    labels: tuple[str, ...]
    num_runs: int
    newest: str
    apart: tuple[str, ...]


def overview(sets: Sequence[RunSet]) -> tuple[SetRow, ...]:
    """A row for each set, in their order."""
    settings = [_settings(found, sets) for found in sets]
    telling = _telling(settings)
    prefix = any(not is_published(home) for found in sets for home in found.homes)
    return tuple(
        _row(found, [*_along(found), *_apart(shown, telling, found.key)], prefix=prefix)
        for found, shown in zip(sets, settings, strict=True)
    )


def _along(found: RunSet) -> list[str]:
    """The key that the set goes along, by its first and last value."""
    values = values_of(found, found.key) if found.key else ()
    return [in_words(str(found.key), [" to ".join(dict.fromkeys((values[0], values[-1])))])] if values else []


def _apart(shown: Settings, telling: Sequence[str], key: str | None) -> list[str]:
    return [in_words(name, shown[name]) for name in telling if shown.get(name) and name != key]


def _settings(found: RunSet, others: Sequence[RunSet]) -> Settings:
    images = ("data.source", *OF_THE_DATA)
    names = dict.fromkeys(name for recipe in found.recipes.values() for name in recipe if name not in images)
    values = {name: values_of(found, name) for name in [*names, *([found.key] if found.key else [])]}
    return values | {DATA: (_images(found, others),)}


def _images(found: RunSet, others: Sequence[RunSet]) -> str:
    """What the images are called, and what tells them from other images of that name."""
    mine = _seen(found)
    called = listed(mine[DATA])
    rivals = [theirs for theirs in map(_seen, others) if theirs[DATA] == mine[DATA]]
    telling = [name for name in _TELLS_IMAGES if any(theirs[name] != mine[name] for theirs in rivals)]
    enough = next(
        (name for name in telling if all(theirs[name] != mine[name] for theirs in rivals if theirs != mine)), None
    )
    words = [in_words(name, mine[name]) for name in ([enough] if enough else telling)]
    return f"{called.removesuffix(' data')} {', '.join(words)}" if words else called


def _seen(found: RunSet) -> Settings:
    names = tuple(dict.fromkeys(run.record.data.called for run in found.runs))
    return {DATA: names} | {name: values_of(found, name) for name in OF_THE_DATA}


def _telling(settings: Sequence[Settings]) -> list[str]:
    """The few names by which each set differs from each other one; the data among them if these differ."""
    names = dict.fromkeys(name for shown in settings for name in shown)
    differing = [name for name in names if len({shown.get(name) for shown in settings}) > 1]
    differing.sort(key=importance)  # stable: settings without words of their own in the order of the config
    telling: list[str] = []
    for name in differing:
        if name == DATA or _num_told_apart(settings, [*telling, name]) > _num_told_apart(settings, telling):
            telling.append(name)
    return telling


def _num_told_apart(settings: Sequence[Settings], names: Sequence[str]) -> int:
    return len({tuple(shown.get(name) for name in names) for shown in settings})


def _row(found: RunSet, apart: Sequence[str], *, prefix: bool) -> SetRow:
    records = sorted((run.record for run in found.runs), key=order)
    names = {
        f"{PUBLISHED}/{run.record.experiment}" if prefix and is_published(run.folder.path) else run.record.experiment
        for run in found.runs
    }
    return SetRow(
        experiments=tuple(sorted(names)),
        labels=tuple(dict.fromkeys(record.label for record in records)),
        num_runs=len(records),
        newest=found.newest.isoformat(),
        apart=tuple(apart),
    )
