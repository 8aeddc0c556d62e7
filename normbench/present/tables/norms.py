"""A comparison of norms as a table: one row per norm."""

import math
from collections.abc import Callable, Iterable

from normbench.analysis.compare.compare import Comparison, layers_text
from normbench.analysis.compare.environment import environment
from normbench.analysis.compare.rows import NormRow
from normbench.analysis.stats.metrics import Metric, metrics_of_split
from normbench.data.augment.registry import MIXING
from normbench.present.tables.along import Along
from normbench.present.tables.context import comparison_title, context_notes, interval_note
from normbench.present.tables.numbers import estimate_record, number, with_interval
from normbench.present.tables.ranks import RANK, RANK_NOTE, rank_cell, rank_record
from normbench.present.tables.table import NOT_KNOWN, Cell, Table, Value
from normbench.text import listed

DISPENSABLE = ("Test errors", "Val errors", "Eval gap", "Std", "s/epoch", "Train Loss", "Test Loss", "Val Loss", "Gap")
"""Columns that a narrow terminal does without, the first of them first."""

MIXED = "Train Acc counts the label with the larger share of a mixed image; Train Loss is against the mixed labels."


def comparison_table(comparison: Comparison) -> Table:
    """One row per norm: accuracies in %, gaps in points, losses as mean cross-entropy, errors in images, over seeds.

    A ranking begins with the highest accuracy.
    """
    shown, along, rows = _columns(comparison), Along(comparison.key), _in_order(comparison)
    return Table(
        title=comparison_title(comparison),
        columns=("Norm", *along.columns, "n", *shown),
        rows=tuple(
            (row.label, *along.cells(row.by), _count(row), *(cell(row) for cell in shown.values())) for row in rows
        ),
        records=tuple(_record(row, comparison, along) for row in rows),
        notes=tuple(_notes(comparison)),
        num_text_columns=1 + len(along.columns),
        dispensable=_dispensable(comparison),
    )


def _in_order(comparison: Comparison) -> list[NormRow]:
    if not comparison.ranks or comparison.key is not None:
        return list(comparison.rows)
    means = [(row.metrics[f"{comparison.split}_accuracy"].mean, row) for row in comparison.rows]
    return [row for mean, row in sorted(means, key=lambda pair: math.inf if pair[0] is None else -pair[0])]


def _dispensable(comparison: Comparison) -> tuple[str, ...]:
    """Of norms that all have as many parameters, the recipe says how many."""
    alike = len({row.num_parameters for row in comparison.rows}) == 1
    return ("Params", *DISPENSABLE) if alike else (*DISPENSABLE, "Params")


def _columns(comparison: Comparison) -> dict[str, Callable[[NormRow], Cell]]:
    """What each column shows of a row, by title, after the norm and n."""
    split = comparison.split
    metrics = metrics_of_split(split)
    accuracy = metrics[f"{split}_accuracy"]

    def mean(key: str) -> dict[str, Callable[[NormRow], Cell]]:
        return {metrics[key].title: lambda row: _mean(row, metrics[key])}

    ranks = comparison.ranks
    return {
        **({RANK: lambda row: rank_cell(ranks.get((row.label, row.by)))} if ranks else {}),
        **mean("train_accuracy"),
        accuracy.title: lambda row: with_interval(row.metrics[accuracy.key], accuracy.unit.scale, accuracy.digits),
        **(mean("also_test_accuracy") if _also_tested(comparison) else {}),
        "Std": lambda row: number(row.metrics[accuracy.key].std, accuracy.unit.scale, accuracy.digits),
        **mean("generalization_gap"),
        **mean("train_loss"),
        **mean(f"{split}_loss"),
        "Params": lambda row: f"{row.num_parameters:,}",
        **mean(f"{split}_errors"),
        "s/epoch": lambda row: number(row.train_s_per_epoch, 1, 1),
        **(mean("statistics_gap") if _has_statistics(comparison) else {}),
    }


def _mean(row: NormRow, metric: Metric) -> Cell:
    if metric.key not in row.metrics:
        return NOT_KNOWN
    return number(row.metrics[metric.key].mean, metric.unit.scale, metric.digits, signed=metric.signed)


def _has_statistics(comparison: Comparison) -> bool:
    return any("statistics_gap" in row.metrics for row in comparison.rows)


def _also_tested(comparison: Comparison) -> list[str]:
    """The further test images of the runs, by name."""
    found = (run.record.also_test for row in comparison.rows for run in row.finished)
    return sorted({also.name for also in found if also})


def _count(row: NormRow) -> Cell:
    """n, and the number of runs that diverged."""
    return (str(row.n), f"+{len(row.diverged_seeds)}", "div.") if row.diverged_seeds else str(row.n)


def _record(row: NormRow, comparison: Comparison, along: Along) -> dict[str, Value]:
    """Accuracies and gaps are fractions here, as in run.json."""
    record: dict[str, Value] = {"norm": row.label, **along.record(row.by)}
    if comparison.ranks:
        record |= rank_record(comparison.ranks.get((row.label, row.by)))
    record |= {"n": row.n, "seeds": " ".join(map(str, row.seeds)), "diverged": len(row.diverged_seeds)}
    for key in metrics_of_split(comparison.split):
        values = row.values.get(key, ())
        record |= estimate_record(key, row.metrics.get(key))
        record |= {f"{key}_min": min(values, default=None), f"{key}_max": max(values, default=None)}
    found = environment(run.record for run in row.runs)
    of_row = {key.rpartition(".")[2]: _one(values) for key, values in found.items()}
    return record | {
        "why_no_interval": row.metrics[f"{comparison.split}_accuracy"].why_undefined,
        "confidence": comparison.confidence,
        "num_parameters": row.num_parameters,
        "norm_layers": layers_text(row.norm_layers) or "none",
        "train_s_per_epoch": row.train_s_per_epoch,
        "data": comparison.source,
        "data_fingerprint": comparison.fingerprint,
        "num_train": comparison.num_train,
        f"num_{comparison.split}": comparison.num_eval,
        "experiment": "; ".join(comparison.experiments),
        **{key: of_row.get(key) for key in ("device", "precision", "cpu", "gpu", "threads", "torch")},
    }


def _one(found: Iterable[str]) -> Value:
    known = [value for value in found if value != "null"]
    if len(known) == 1 and known[0].isdecimal():
        return int(known[0])
    return "; ".join(known) or None


def _notes(comparison: Comparison) -> list[str]:
    split, rows = comparison.split, comparison.rows
    augmentations = comparison.recipe.get("data.augment") or ()
    augmented = " with augmentation" if augmentations else ""
    notes = [*interval_note({row.n for row in rows}, comparison.confidence), *context_notes(comparison)]
    if comparison.ranks:
        notes[0] += f" {RANK_NOTE}"  # one note, as a caption takes the first
    if any(row.diverged_seeds for row in rows):
        notes.append("div.: runs that diverged, counted beside n and in no mean.")
    notes += [
        f"Train Acc, Train Loss: running means over the last epoch, in training mode{augmented}.",
        *([MIXED] if any(choice["name"] in MIXING for choice in augmentations) else []),
        f"{split.capitalize()} metrics: after the last epoch. Acc in %, Loss: mean cross-entropy.",
        f"Gap: train minus {split} accuracy in points; below 0 where training mode{augmented} is the harder one.",
        f"Std: standard deviation of the {split} accuracy between seeds, in points.",
        "s/epoch: seconds of training for one epoch, median over the runs.",
    ]
    if also := _also_tested(comparison):
        notes.append(f"Also Acc: accuracy in % on further test images, {listed(also)}.")
    if any(row.n > 2 for row in rows):
        notes.append(
            f"The interval of a norm is Student's, of its mean {split} accuracy, and says nothing about a difference."
        )
    if _has_statistics(comparison):
        notes.append(
            "Eval gap: accuracy with the running statistics that evaluation mode uses, minus with the statistics of "
            "the evaluated batches, in points. Far below 0 the running statistics fail, not the network."
        )
    return notes
