"""Every epoch of every run, as one tidy table: one row per run and epoch."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from normbench.analysis.compare.facts import DIGESTS, facts, show_value
from normbench.analysis.compare.load import load_runs
from normbench.analysis.compare.run import Run
from normbench.analysis.compare.select import select
from normbench.errors import ConfigError
from normbench.runs.read import RecordError
from normbench.runs.record import Record

Value = str | int | float | bool | None

_AXES = {"loss": "loss", "accuracy": "accuracy"}
_NOT_A_SETTING = ("name", "seeds", "budget.", "pictures.", "data.dir", "data.urls")


def exported_runs(paths: Sequence[Path], where: Sequence[str]) -> tuple[list[Run], list[str]]:
    """The runs that are over, diverged ones included, by experiment, label and seed; and notes on what was left out.

    Raises ConfigError if there is none, or for a bad condition.
    """
    found = load_runs(paths)
    runs = select(found.runs, where)
    if not runs:
        raise ConfigError("there is no finished run to export; normbench train --norm gn makes one")
    return sorted(runs, key=lambda run: (run.record.experiment, run.record.label, run.record.seed)), found.notes


def settings_of(records: Sequence[Record]) -> list[dict[str, Value]]:
    """For each record its norm and the settings of its config in which the records differ, by dotted key."""
    configs = [config_of(record) for record in records]
    keys = dict.fromkeys(key for config in configs for key in config)
    differing = [key for key in keys if len({repr(config.get(key)) for config in configs}) > 1]
    return [
        {"norm": record.label, **{key: config[key] for key in differing if key in config}}
        for record, config in zip(records, configs, strict=True)
    ]


def config_of(record: Record) -> dict[str, Value]:
    """The settings of the config that decide what a run computes, but for norm and seed, by dotted key."""
    return {key: _plain(key, value) for key, value in facts(record).items() if _is_setting(key, record)}


def history(runs: Sequence[Run]) -> tuple[list[dict[str, Value]], list[str]]:
    """One row per run and epoch: which run it is, its settings, and the columns of its `metrics.csv`; and notes.

    A diverged run, which has no whole epochs on record, has one row without metrics.
    """
    rows: list[dict[str, Value]] = []
    notes = []
    for run, settings in zip(runs, settings_of([run.record for run in runs]), strict=True):
        record = run.record
        about: dict[str, Value] = {
            "experiment": record.experiment,
            "run_id": record.run_id,
            "seed": record.seed,
            "status": record.status,
            **settings,
        }
        if isinstance(run.epochs, RecordError):
            notes.append(f"left out: {run.epochs}")
        elif run.epochs:
            rows += [about | {name: _whole(value) for name, value in epoch.items()} for epoch in run.epochs]
        else:
            rows.append(about | {"epoch": None})
    return _with_same_keys(rows), notes


def tagged(epoch: Mapping[str, float]) -> dict[str, float]:
    """`test_loss` as `loss/test`: trackers show what is before the slash as one section."""
    found = {}
    for name, value in epoch.items():
        split, _, what = name.partition("_")
        found[f"{_AXES[what]}/{split}" if what in _AXES else f"run/{name}"] = value
    found.pop("run/epoch", None)
    return found


def _is_setting(key: str, record: Record) -> bool:
    head = key.partition(".")[0]
    return head in record.config and head != "norm" and not key.startswith(_NOT_A_SETTING)


def _plain(key: str, value: Any) -> Value:
    is_plain = isinstance(value, str | int | float | bool | None) and key not in DIGESTS
    return value if is_plain else show_value(value, key)


def _whole(value: float) -> int | float:
    return int(value) if value == int(value) and abs(value) < 2**53 else value


def _with_same_keys(rows: Iterable[dict[str, Value]]) -> list[dict[str, Value]]:
    rows = list(rows)
    keys = dict.fromkeys(key for row in rows for key in row)
    return [{key: row.get(key) for key in keys} for row in rows]
