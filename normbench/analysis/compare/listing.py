"""Every run below some folders, finished or not, and what tells it from the others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any, Literal

from normbench.analysis.compare.facts import facts, flatten, show_value
from normbench.analysis.compare.rows import order
from normbench.analysis.compare.select import matching
from normbench.analysis.compare.words import importance, in_words
from normbench.errors import ConfigError
from normbench.norms import NORMS, norm_label
from normbench.runs.folder import RunFolder, experiment_of, find_runs
from normbench.runs.read import RecordError, read_record
from normbench.runs.record import Record
from normbench.runs.unfinished import read_unfinished

Status = Literal["finished", "diverged", "unfinished", "damaged"]

_SETTINGS = ("data.source", "data.augment", "data.evaluate_on", "model.", "train.")
"""Beginnings of the keys of a config that tell runs apart, besides norm and seed."""


@dataclass(frozen=True)
class ListedRun:
    """A run folder. `record` is None for a run that is unfinished or damaged; `why` then says how far it is.

    `label` of the norm and `seed` are None if the config of an unfinished run does not say. `setting`: what tells the
    run's config from those of its experiment's other runs, in words.
    """

    folder: RunFolder
    experiment: str
    status: Status
    label: str | None
    seed: int | None
    record: Record | None = None
    setting: tuple[str, ...] = ()
    why: str = ""


def list_runs(
    paths: Sequence[Path], where: Sequence[str] = (), statuses: Sequence[Status] = ()
) -> tuple[ListedRun, ...]:
    """The runs in or below `paths` by experiment, norm and seed; only those of `statuses`, if there are any.

    `where`: conditions `key=value` as `select` takes them. Raises ConfigError for a path that is not there, and for a
    condition that no run fits.
    """
    found = [_listed(folder) for folder in find_runs(paths)]
    if statuses:
        found = [pair for pair in found if pair[0].status in statuses]
    if where:
        found = [found[place] for place in matching([known for _, known in found], where)]
    experiments = dict.fromkeys(run.experiment for run, _ in found)
    apart = [_with_settings([pair for pair in found if pair[0].experiment == name]) for name in experiments]
    return tuple(sorted(chain.from_iterable(apart), key=_place))


def _listed(folder: RunFolder) -> tuple[ListedRun, Mapping[str, Any]]:
    """The run, and the facts known of it by dotted key."""
    experiment = experiment_of(folder).name
    if not folder.is_finished:
        return _begun(folder, experiment)
    try:
        record = read_record(folder)
    except RecordError as error:
        return ListedRun(folder, experiment, "damaged", None, None, why=str(error)), {}
    return ListedRun(folder, record.experiment, record.status, record.label, record.seed, record), facts(record)


def _begun(folder: RunFolder, experiment: str) -> tuple[ListedRun, Mapping[str, Any]]:
    begun = read_unfinished(folder)
    config = begun.config
    train, seeds = config.get("train"), config.get("seeds")
    epochs = train.get("epochs") if isinstance(train, dict) else None
    why = "not begun" if begun.epochs_done is None else f"{begun.epochs_done} of {epochs or '?'} epochs"
    seed = seeds[0] if isinstance(seeds, list) and seeds and isinstance(seeds[0], int) else None
    return ListedRun(folder, experiment, "unfinished", _label(config.get("norm")), seed, why=why), flatten(config) | {
        "experiment": experiment,
        "status": "unfinished",
    }


def _label(norm: object) -> str | None:
    """The label of a norm in a config; a norm from outside is not imported, and has its name."""
    if not isinstance(norm, dict) or not isinstance(norm.get("kind"), str):
        return None
    kind = str(norm["kind"])
    options = {name: value for name, value in norm.items() if name != "kind"}
    try:
        return norm_label(kind, options) if kind in NORMS else kind
    except (ConfigError, TypeError):
        return kind


def _with_settings(found: Sequence[tuple[ListedRun, Mapping[str, Any]]]) -> list[ListedRun]:
    """The runs of one experiment, each with its values, in words, of the settings in which they differ."""
    configs = [
        {key: show_value(value, key) for key, value in known.items() if key.startswith(_SETTINGS)} for _, known in found
    ]
    keys = dict.fromkeys(key for config in configs for key in config)
    differing = [key for key in keys if len({config[key] for config in configs if key in config}) > 1]
    differing.sort(key=importance)
    return [
        replace(run, setting=tuple(in_words(key, [config[key]]) for key in differing if key in config))
        for (run, _), config in zip(found, configs, strict=True)
    ]


def _place(run: ListedRun) -> tuple[Any, ...]:
    known = order(run.record) if run.record else ()
    return (run.experiment, run.record is None, known, run.seed or 0, str(run.folder.path))
