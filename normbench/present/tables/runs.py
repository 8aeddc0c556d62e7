"""Every run, a row each: `compare --runs`."""

from normbench.analysis.compare.compare import Comparison
from normbench.analysis.compare.rows import STATISTICS, STATISTICS_GAP, NormRow, metrics_of
from normbench.analysis.compare.select import Record
from normbench.present.tables.numbers import NOT_KNOWN, axis_value, number, short_key
from normbench.present.tables.table import Cell, Table, Value


def runs_table(comparison: Comparison) -> Table:
    """Norm, seed, accuracies in %, loss, seconds an epoch, and whether the run diverged."""
    split, title = comparison.split, comparison.split.capitalize()
    key = comparison.grid.key if comparison.grid else None
    runs = [(row, record) for row in comparison.rows for record in row.all_records]
    measured = any(record.get("statistics") for _, record in runs)
    return Table(
        title="Every run",
        columns=(
            "Norm",
            *([short_key(key)] if key else []),
            "Seed",
            f"{title} Acc",
            f"{title} Loss",
            *(["Running", "Batch", "Precise", "Eval gap"] if measured else []),
            "s/epoch",
            "Status",
        ),
        rows=tuple(_cells(row, record, split, key, measured) for row, record in runs),
        records=tuple(_record(row, record, key) for row, record in runs),
        notes=(
            (
                f"Running, Batch, Precise: {split} accuracy in % with the running statistics, with those of the "
                "evaluated batches, and with those of all training images.",
            )
            if measured
            else ()
        ),
    )


def _cells(row: NormRow, record: Record, split: str, key: str | None, measured: bool) -> tuple[Cell, ...]:
    found = metrics_of(record) if record["status"] == "finished" else {}
    statistics = [number(found.get(name), 100, 2) for name in STATISTICS.values()]
    return (
        row.label,
        *([axis_value(row.by, key)] if key else []),
        str(record["seed"]),
        number(found.get(f"{split}_accuracy"), 100, 2),
        number(found.get(f"{split}_loss"), 1, 3),
        *([*statistics, number(found.get(STATISTICS_GAP), 100, 2, signed=True)] if measured else []),
        number(record["timing"].get("train_s_per_epoch"), 1, 1) or NOT_KNOWN,
        record["status"],
    )


def _record(row: NormRow, record: Record, key: str | None) -> dict[str, Value]:
    """Accuracies are fractions here, as in run.json."""
    split = record["data"]["evaluated_on"]
    found = metrics_of(record) if record["status"] == "finished" else {}
    along: dict[str, Value] = {key: row.by} if key else {}
    names = ("train_accuracy", f"{split}_accuracy", "train_loss", f"{split}_loss", f"{split}_errors")
    measured = record.get("statistics") or {}
    return {
        "norm": row.label,
        **along,
        "seed": record["seed"],
        "status": record["status"],
        **{name: found.get(name) for name in (*names, *STATISTICS.values(), STATISTICS_GAP)},
        "statistics_batch_size": measured.get("batch_size"),
        "train_s_per_epoch": record["timing"].get("train_s_per_epoch"),
        "experiment": record["experiment"],
        "run_id": record["run_id"],
    }
