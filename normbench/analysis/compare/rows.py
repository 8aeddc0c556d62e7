"""Records of runs -> a row a norm: what its runs scored, one value a seed, and the estimates over them."""

import json
import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from normbench.analysis.compare.select import Record
from normbench.analysis.stats.estimate import Estimate, mean_interval

FIRST_NORMS = ("bn", "gn", "ln", "ln-chw", "in")
"""The rows of a table begin with these; the other norms follow by their labels, and no norm at all comes last."""
METRICS = ("train_accuracy", "{split}_accuracy", "train_loss", "{split}_loss", "{split}_errors")
"""Keys of a record's metrics; a new one needs a line here and, to be shown, one in present/comparison.py."""
GAP = "generalization_gap"
"""Train minus test accuracy."""
STATISTICS = {name: f"accuracy_with_{name}_statistics" for name in ("running", "batch", "precise")}
STATISTICS_GAP = "statistics_gap"
"""Accuracy with running statistics minus with those of the evaluated batch: what evaluation mode costs or gains."""

By = str | int | float | bool | None
"""A value of the key that a comparison goes along; None without such a key, or where a run does not have it."""


@dataclass(frozen=True)
class NormRow:
    """One norm's runs. `metrics` are over its finished runs: accuracies and gaps are fractions, errors are images.

    `values` are what the metrics were estimated from, in the order of `seeds`; metrics of STATISTICS and their gap are
    there if all the runs measured them. `records` are the finished runs' in the same order, `all_records` also those
    of runs that diverged; as read from disk, each also holds `folder`, the Path it came from.
    """

    label: str
    norm: Mapping[str, Any]
    seeds: tuple[int, ...]
    diverged_seeds: tuple[int, ...]
    metrics: Mapping[str, Estimate]
    num_parameters: int
    norm_layers: Mapping[str, int]
    train_s_per_epoch: float | None
    values: Mapping[str, tuple[float, ...]]
    records: tuple[Record, ...]
    all_records: tuple[Record, ...]
    by: By = None

    @property
    def n(self) -> int:
        return len(self.seeds)


def norm_row(group: Sequence[Record], split: str, by: By = None) -> NormRow:
    """The row of one norm's runs, one a seed, sorted by seed."""
    finished = [record for record in group if record["status"] == "finished"]
    values = _values([metrics_of(record) for record in finished], split)
    times = [record["timing"].get("train_s_per_epoch") for record in finished]
    known_times = [time for time in times if time is not None]
    newest = max(group, key=when)
    return NormRow(
        label=newest["label"],
        norm=norm_of(newest),
        seeds=tuple(record["seed"] for record in finished),
        diverged_seeds=tuple(record["seed"] for record in group if record["status"] == "diverged"),
        metrics={name: mean_interval(of_runs) for name, of_runs in values.items()},
        num_parameters=newest["model"]["num_parameters"],
        norm_layers=newest["model"]["norm_layers"],
        train_s_per_epoch=statistics.median(known_times) if known_times else None,
        values=values,
        records=tuple(finished),
        all_records=tuple(group),
        by=by,
    )


def metrics_of(record: Record) -> dict[str, float]:
    """All that a finished run was measured by, the gaps included."""
    split = record["data"]["evaluated_on"]
    found = {name: record["metrics"][name] for name in _names(split)}
    found[GAP] = found["train_accuracy"] - found[f"{split}_accuracy"]
    if measured := record.get("statistics"):
        found |= {name: measured[key] for key, name in STATISTICS.items()}
        found[STATISTICS_GAP] = measured["running"] - measured["batch"]
    return found


def _values(runs: Sequence[Mapping[str, float]], split: str) -> dict[str, tuple[float, ...]]:
    names = [*_names(split), GAP]
    if runs and all(STATISTICS_GAP in found for found in runs):
        names += [*STATISTICS.values(), STATISTICS_GAP]
    return {name: tuple(found[name] for found in runs) for name in names}


def _names(split: str) -> list[str]:
    return [name.format(split=split) for name in METRICS]


def norm_of(record: Record) -> Mapping[str, Any]:
    norm = record["config"].get("norm")
    return norm if isinstance(norm, Mapping) else {"kind": norm}


def same_norm(record: Record) -> str:
    """Equal for two records exactly if they are of one norm with the same options."""
    return f"{record['label']} {json.dumps(norm_of(record), sort_keys=True)}"


def order(record: Record) -> tuple[bool, int, list[tuple[int, str]], int]:
    """The usual norms first, none last, then by label with GN(4) before GN(16), then by seed."""
    kind = norm_of(record).get("kind")
    place = FIRST_NORMS.index(kind) if kind in FIRST_NORMS else len(FIRST_NORMS)
    parts = re.findall(r"\d+|\D+", record["label"])
    return (
        kind == "none",
        place,
        [(int(part), "") if part.isdecimal() else (-1, part) for part in parts],
        record["seed"],
    )


def when(record: Record) -> datetime:
    """When the run was over, in any time zone; the beginning of time where that cannot be read."""
    try:
        finished = datetime.fromisoformat(record["finished_at"])
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
    return finished if finished.tzinfo else finished.replace(tzinfo=UTC)
