"""A comparison of norms as a table: a row a norm."""

from collections.abc import Callable

from normbench.analysis.compare.compare import Comparison
from normbench.analysis.compare.rows import GAP, STATISTICS, STATISTICS_GAP, NormRow
from normbench.present.tables.context import context_notes, layers_of
from normbench.present.tables.numbers import NOT_KNOWN, axis_value, estimate_record, number, short_key, with_interval
from normbench.present.tables.table import Cell, Table, Value

USUAL_TEST_SIZE = 10_000


def comparison_table(comparison: Comparison) -> Table:
    """A row a norm: accuracies in %, gaps in points, losses as mean cross-entropy, errors in images, over seeds."""
    shown = _columns(comparison)
    key = comparison.grid.key if comparison.grid else None
    return Table(
        title=f"Normalization layers compared on {comparison.source} data",
        columns=("Norm", *([short_key(key)] if key else []), "n", *shown),
        rows=tuple(
            (
                row.label,
                *([axis_value(row.by, key)] if key else []),
                count(row),
                *(cell(row) for cell in shown.values()),
            )
            for row in comparison.rows
        ),
        records=tuple(_record(row, comparison) for row in comparison.rows),
        notes=tuple(_notes(comparison)),
    )


def _columns(comparison: Comparison) -> dict[str, Callable[[NormRow], Cell]]:
    split = comparison.split
    title, accuracy = split.capitalize(), f"{split}_accuracy"

    def mean(name: str, scale: float, digits: int, *, signed: bool = False) -> Callable[[NormRow], Cell]:
        return lambda row: (
            NOT_KNOWN if name not in row.metrics else number(row.metrics[name].mean, scale, digits, signed=signed)
        )

    columns: dict[str, Callable[[NormRow], Cell]] = {
        "Train Acc": mean("train_accuracy", 100, 2),
        f"{title} Acc": lambda row: with_interval(row.metrics[accuracy], 100, 2),
        "Std": lambda row: number(row.metrics[accuracy].std, 100, 2),
        "Gap": mean(GAP, 100, 2, signed=True),
        "Train Loss": mean("train_loss", 1, 3),
        f"{title} Loss": mean(f"{split}_loss", 1, 3),
        "Params": lambda row: f"{row.num_parameters:,}",
        f"{title} errors": mean(f"{split}_errors", 1, 0),
        "s/epoch": lambda row: number(row.train_s_per_epoch, 1, 1),
    }
    if any(STATISTICS_GAP in row.metrics for row in comparison.rows):
        columns["Eval gap"] = mean(STATISTICS_GAP, 100, 2, signed=True)
    return columns


def count(row: NormRow) -> Cell:
    """n, and the runs that diverged beside it."""
    return (str(row.n), f"+{len(row.diverged_seeds)}", "div.") if row.diverged_seeds else str(row.n)


def _record(row: NormRow, comparison: Comparison) -> dict[str, Value]:
    """Accuracies and gaps are fractions here, as in run.json."""
    record: dict[str, Value] = {"norm": row.label}
    if comparison.grid:
        record[comparison.grid.key] = row.by
    record |= {"n": row.n, "seeds": " ".join(map(str, row.seeds)), "diverged": len(row.diverged_seeds)}
    for name in dict.fromkeys([*row.metrics, *STATISTICS.values(), STATISTICS_GAP]):
        values = row.values.get(name, ())
        record |= estimate_record(name, row.metrics.get(name))
        record |= {f"{name}_min": min(values, default=None), f"{name}_max": max(values, default=None)}
    environment = {key.rpartition(".")[2]: _one(found) for key, found in comparison.environment.items()}
    return record | {
        "why_no_interval": row.metrics["train_accuracy"].why_undefined,
        "confidence": comparison.confidence,
        "num_parameters": row.num_parameters,
        "norm_layers": layers_of(row),
        "train_s_per_epoch": row.train_s_per_epoch,
        "data": comparison.source,
        "data_fingerprint": comparison.fingerprint,
        "num_train": comparison.num_train,
        f"num_{comparison.split}": comparison.num_eval,
        "experiment": "; ".join(comparison.experiments),
        **{key: environment.get(key) for key in ("device", "precision", "cpu", "gpu", "threads", "torch")},
    }


def _one(found: tuple[str, ...]) -> Value:
    known = [value for value in found if value != "null"]
    if len(known) == 1 and known[0].isdecimal():
        return int(known[0])
    return "; ".join(known) or None


def _notes(comparison: Comparison) -> list[str]:
    split, rows = comparison.split, comparison.rows
    augmented = " with augmentation" if comparison.recipe.get("data.augment") else ""
    notes = [
        *context_notes(comparison),
        f"Train metrics are running means over the last epoch, in training mode{augmented}; "
        f"{split} metrics are those after the last epoch. Acc in %, loss: mean cross-entropy, s/epoch: median.",
        f"Gap: train minus {split} accuracy in points; below 0 where training mode{augmented} is the harder one.",
    ]
    if any(STATISTICS_GAP in row.metrics for row in rows):
        notes.append(
            "Eval gap: accuracy with the running statistics that evaluation mode uses, minus with the statistics of "
            "the evaluated batches, in points. Far below 0 the running statistics fail, not the network."
        )
    if any(row.n > 1 for row in rows):
        notes.append(
            f"[low, high]: {comparison.confidence:.0%} t interval of a norm's mean {split} accuracy over its n seeds; "
            "by itself it does not say whether two norms differ. Std: between seeds."
        )
    if any(row.n == 1 for row in rows):
        notes.append(_single_run_note(comparison))
    if any(row.diverged_seeds for row in rows):
        notes.append("div.: runs that diverged, counted beside n and in no mean.")
    return notes


def _single_run_note(comparison: Comparison) -> str:
    if comparison.num_eval < USUAL_TEST_SIZE:
        return (
            f"n = 1: no interval, no verdict. On {comparison.num_eval:,} images single runs differ by points of "
            "accuracy through seed and chance alone."
        )
    return (
        "n = 1: no interval, no verdict. One run against one run says nothing about differences "
        "below about 0.7 points of accuracy: train more seeds."
    )
