"""Runs -> one row per norm: what the runs scored, one value per seed, and the estimates over them."""

import json
import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from normbench.analysis.compare.run import Run
from normbench.analysis.stats.estimate import Estimate, mean_interval
from normbench.analysis.stats.metrics import STATISTICS, metrics_of_split
from normbench.analysis.stats.pairs import By
from normbench.runs.record import Record

FIRST_NORMS = ("bn", "gn", "ln", "ln-chw", "in")
"""The first rows of a table; other norms follow by label, and no norm at all comes last."""


@dataclass(frozen=True)
class NormRow:
    """One norm's runs, by seed; `finished` without those that diverged, in the order of `seeds`.

    `metrics` are over the finished runs, by key of `stats.metrics`: accuracies and gaps are fractions, errors images.
    `values` are what they were estimated from, in the order of `seeds`. A metric that not all runs measured is in
    neither. `train_s_per_epoch` is the median over the runs.
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
    finished: tuple[Run, ...]
    runs: tuple[Run, ...]
    by: By = None

    @property
    def n(self) -> int:
        return len(self.seeds)


def norm_row(runs: Sequence[Run], split: str, by: By = None) -> NormRow:
    """The row of one norm's runs, one per seed, sorted by seed."""
    finished = [run for run in runs if run.record.metrics is not None]
    units = {key: metric.unit for key, metric in metrics_of_split(split).items()}
    values = _values([metrics_of(run.record) for run in finished], split)
    times = [run.record.timing.train_s_per_epoch for run in finished]
    known_times = [time for time in times if time is not None]
    newest = max((run.record for run in runs), key=when)
    return NormRow(
        label=newest.label,
        norm=newest.norm,
        seeds=tuple(run.record.seed for run in finished),
        diverged_seeds=tuple(run.record.seed for run in runs if run.record.metrics is None),
        metrics={key: mean_interval(of_runs, bounds=units[key].bounds) for key, of_runs in values.items()},
        num_parameters=newest.model.num_parameters,
        norm_layers=newest.model.norm_layers,
        train_s_per_epoch=statistics.median(known_times) if known_times else None,
        values=values,
        finished=tuple(finished),
        runs=tuple(runs),
        by=by,
    )


def metrics_of(record: Record) -> dict[str, float]:
    """The metrics of a run, by key of `stats.metrics`; empty for a run that diverged."""
    if record.metrics is None:
        return {}
    found = dict(record.metrics_by_key)
    found["generalization_gap"] = record.metrics.train.accuracy - record.metrics.held_out.accuracy
    if record.also_test:
        found["also_test_accuracy"] = record.also_test.accuracy
    if record.statistics:
        found |= {key: getattr(record.statistics, name) for name, key in STATISTICS.items()}
        found["statistics_gap"] = record.statistics.running - record.statistics.batch
    return found


def _values(runs: Sequence[Mapping[str, float]], split: str) -> dict[str, tuple[float, ...]]:
    """By key of a metric that all runs measured. Without a run, the metrics that every run measures have no value."""
    measured = [key for key in metrics_of_split(split) if all(key in found for found in runs)]
    if not runs:
        measured = [
            key for key in measured if key not in (*STATISTICS.values(), "statistics_gap", "also_test_accuracy")
        ]
    return {key: tuple(found[key] for found in runs) for key in measured}


def same_norm(record: Record) -> str:
    """Equal for two records exactly if they are of one norm with the same options."""
    return f"{record.label} {json.dumps(record.norm, sort_keys=True)}"


def order(record: Record) -> tuple[bool, int, list[tuple[int, str]]]:
    """FIRST_NORMS, then by label with GN(4) before GN(16), `none` last."""
    kind = record.norm.get("kind")
    place = FIRST_NORMS.index(kind) if kind in FIRST_NORMS else len(FIRST_NORMS)
    parts = re.findall(r"\d+|\D+", record.label)
    return (
        kind == "none",
        place,
        [(int(part), "") if part.isdecimal() else (-1, part) for part in parts],
    )


def when(record: Record) -> datetime:
    """When the run was over, in any time zone; the beginning of time if the record does not hold a date."""
    try:
        finished = datetime.fromisoformat(record.finished_at)
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
    return finished if finished.tzinfo else finished.replace(tzinfo=UTC)
