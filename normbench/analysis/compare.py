"""Records of runs -> a comparison of norms, or a refusal that says why they cannot be compared."""

import json
import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from normbench.analysis.refusal import refusal
from normbench.analysis.select import Record, flatten, show_value
from normbench.analysis.statistics import CONFIDENCE, Estimate, mean_interval

FIRST_NORMS = ("bn", "gn", "ln", "ln-chw", "in")
"""The rows of a table begin with these; the other norms follow by their labels, and no norm at all comes last."""
METRICS = ("train_accuracy", "{split}_accuracy", "train_loss", "{split}_loss", "{split}_errors")
"""Keys of a record's metrics; a new one needs a line here and, to be shown, one in present/comparison.py."""

# Config keys that may differ between runs of one comparison: the norm and the seed are what it is about, the rest does
# not change what is trained. The precision that was really used is part of the environment.
_FREE = ("norm", "seeds", "name", "budget", "pictures", "data.dir", "data.urls", "train.precision")


@dataclass(frozen=True)
class NormRow:
    """One norm's runs. `metrics` are over its finished runs: accuracies are fractions, errors are images."""

    label: str
    norm: Mapping[str, Any]
    seeds: tuple[int, ...]
    diverged_seeds: tuple[int, ...]
    metrics: Mapping[str, Estimate]
    num_parameters: int
    norm_layers: Mapping[str, int]
    train_s_per_epoch: float | None

    @property
    def n(self) -> int:
        return len(self.seeds)


@dataclass(frozen=True)
class Comparison:
    """Norms under one recipe on the same data. `split` is what was evaluated: test or val."""

    split: str
    rows: tuple[NormRow, ...]
    experiments: tuple[str, ...]
    source: str
    fingerprint: str
    num_train: int
    num_eval: int
    recipe: Mapping[str, Any]
    """What all runs share, by dotted key."""
    environment: Mapping[str, tuple[str, ...]]
    """Device, precision, versions by dotted key: the values found, the most frequent first."""
    confidence: float = CONFIDENCE


def compare(records: Sequence[Record]) -> tuple[Comparison, list[str]]:
    """The comparison of at least one record, and notes on what a reader should know about it.

    Runs that differ in more than norm and seed raise ConfigError with the differing keys and how to choose.
    Differences in the environment are noted only. Of several runs with one norm and seed the newest is used.
    """
    if not records:
        raise ValueError("no records to compare")
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(json.dumps(recipe_of(record), sort_keys=True), []).append(record)
    if len(groups) > 1:
        raise refusal([(group, recipe_of(group[0])) for group in groups.values()])
    kept, notes = _newest(records)
    by_norm: dict[str, list[Record]] = {}
    for record in sorted(kept, key=_order):
        by_norm.setdefault(f"{record['label']} {json.dumps(_norm(record), sort_keys=True)}", []).append(record)
    first = kept[0]
    split = first["data"]["evaluated_on"]
    comparison = Comparison(
        split=split,
        rows=tuple(_row(group, split) for group in by_norm.values()),
        experiments=tuple(sorted({record["experiment"] for record in kept})),
        source=first["data"]["source"],
        fingerprint=first["data"]["fingerprint"],
        num_train=first["data"]["num_train"],
        num_eval=first["data"]["num_eval"],
        recipe=recipe_of(first),
        environment={key: tuple(found) for key, found in _environment(kept).items()},
    )
    notes = _capped(notes, "duplicates")
    notes += _capped([_diverged_note(record) for record in kept if record["status"] == "diverged"], "diverged runs")
    notes += [_mixed_model_note(group) for group in by_norm.values() if len({_model(record) for record in group}) > 1]
    return comparison, notes + _environment_notes(kept)


def recipe_of(record: Record) -> dict[str, Any]:
    """All that must be equal for two runs to differ in norm and seed only, by dotted key."""
    config = {key: value for key, value in record["config"].items() if key not in _FREE}
    recipe = {key: value for key, value in flatten(config).items() if key not in _FREE}
    data = record["data"]
    return recipe | {"data.evaluate_on": data["evaluated_on"], "data.fingerprint": data["fingerprint"]}


def _row(group: Sequence[Record], split: str) -> NormRow:
    finished = [record for record in group if record["status"] == "finished"]
    names = [name.format(split=split) for name in METRICS]
    times = [record["timing"].get("train_s_per_epoch") for record in finished]
    known_times = [time for time in times if time is not None]
    newest = max(group, key=_when)
    return NormRow(
        label=newest["label"],
        norm=_norm(newest),
        seeds=tuple(record["seed"] for record in finished),
        diverged_seeds=tuple(record["seed"] for record in group if record["status"] == "diverged"),
        metrics={name: mean_interval([record["metrics"][name] for record in finished]) for name in names},
        num_parameters=newest["model"]["num_parameters"],
        norm_layers=newest["model"]["norm_layers"],
        train_s_per_epoch=statistics.median(known_times) if known_times else None,
    )


def _norm(record: Record) -> Mapping[str, Any]:
    norm = record["config"].get("norm")
    return norm if isinstance(norm, Mapping) else {"kind": norm}


def _order(record: Record) -> tuple[bool, int, list[tuple[int, str]], int]:
    """The usual norms first, none last, then by label with GN(4) before GN(16), then by seed."""
    kind = _norm(record).get("kind")
    place = FIRST_NORMS.index(kind) if kind in FIRST_NORMS else len(FIRST_NORMS)
    parts = re.findall(r"\d+|\D+", record["label"])
    return (
        kind == "none",
        place,
        [(int(part), "") if part.isdecimal() else (-1, part) for part in parts],
        record["seed"],
    )


def _newest(records: Sequence[Record]) -> tuple[list[Record], list[str]]:
    """One run per norm and seed, and a note on each that stands for several."""
    same: dict[str, list[Record]] = {}
    for record in records:
        same.setdefault(json.dumps([record["label"], _norm(record), record["seed"]], sort_keys=True), []).append(record)
    kept, notes = [], []
    for group in same.values():
        newest = max(group, key=_when)
        kept.append(newest)
        if len(group) > 1:
            places = ", ".join(f"{record['experiment']}/{record['run_id']}" for record in group)
            differing = [key for key, found in _environment(group).items() if len(found) > 1]
            unlike = f"; they differ in {', '.join(differing)}" if differing else ""
            notes.append(
                f"duplicates: {newest['label']} seed {newest['seed']} was run {len(group)} times ({places}){unlike}; "
                f"only the newest counts, finished {newest['finished_at']}"
            )
    return kept, notes


def _when(record: Record) -> datetime:
    try:
        when = datetime.fromisoformat(record["finished_at"])
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
    return when if when.tzinfo else when.replace(tzinfo=UTC)


def _environment(records: Iterable[Record]) -> dict[str, dict[str, list[str]]]:
    """Dotted key -> value found -> labels of the norms run with it."""
    found: dict[str, dict[str, list[str]]] = {}
    for record in records:
        of_run = {"device": record["device"], "precision": record["precision"], "git_commit": record.get("git_commit")}
        for key, value in (of_run | flatten({"environment": record["environment"]})).items():
            labels = found.setdefault(key, {}).setdefault(show_value(value, key), [])
            if record["label"] not in labels:
                labels.append(record["label"])
    return found


def _environment_notes(records: Sequence[Record]) -> list[str]:
    differing = []
    for key, found in _environment(sorted(records, key=_order)).items():
        if len(found) > 1:
            differing.append(f"{key}: " + ", ".join(f"{value} ({', '.join(found[value])})" for value in found))
    return [f"not all runs were made in the same environment: {'; '.join(differing)}"] if differing else []


def _capped(notes: list[str], what: str, most: int = 5) -> list[str]:
    return notes if len(notes) <= most else [*notes[:most], f"and {len(notes) - most:,} more {what}"]


def _diverged_note(record: Record) -> str:
    where = record.get("diverged")
    details = f" in epoch {where.get('epoch')}, loss {where.get('loss')}" if isinstance(where, Mapping) else ""
    return f"diverged: {record['label']} seed {record['seed']}{details}; counted, not averaged"


def _model(record: Record) -> str:
    return json.dumps([record["model"]["num_parameters"], record["model"]["norm_layers"]], sort_keys=True)


def _mixed_model_note(group: Sequence[Record]) -> str:
    models = sorted({f"{r['model']['num_parameters']:,} parameters, {_layers(r)}" for r in group})
    return f"{group[0]['label']}: its runs trained different networks ({'; '.join(models)}); was the code changed?"


def _layers(record: Record) -> str:
    return ", ".join(f"{count} {name}" for name, count in record["model"]["norm_layers"].items()) or "no norm layers"
