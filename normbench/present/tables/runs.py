"""Every run, a row each: `compare --runs`."""

from collections.abc import Sequence
from pathlib import Path

from normbench.analysis.compare.compare import Comparison
from normbench.analysis.compare.rows import NormRow, metrics_of
from normbench.analysis.compare.run import Run
from normbench.analysis.stats.metrics import STATISTICS, Metric, metrics_of_split
from normbench.present.tables.along import Along
from normbench.present.tables.numbers import number
from normbench.present.tables.table import Cell, Table, Value
from normbench.runs.record import Record
from normbench.text import printable

_DISPENSABLE = ("Precise", "Batch", "Running", "Test Loss", "Val Loss")


def runs_table(comparison: Comparison) -> Table:
    """Norm, seed, accuracies in %, loss, seconds an epoch, and whether the run diverged."""
    split, along = comparison.split, Along(comparison.key)
    runs = [(row, run) for row in comparison.rows for run in row.runs]
    shown = _shown(split, with_statistics=any(run.record.statistics for _, run in runs))
    place = _common([run.folder.path.parent for _, run in runs])
    return Table(
        title="Every run",
        columns=("Norm", *along.columns, "Seed", *shown, "s/epoch", "Status", "Run"),
        rows=tuple((*_cells(row, run.record, along, shown), _within(place, run.folder.path)) for row, run in runs),
        records=tuple(_record(row, run, along) for row, run in runs),
        dispensable=tuple(title for title in _DISPENSABLE if title in shown),
        notes=(
            f"Run: its folder, from {printable(place)} on.",
            *(
                (
                    f"Running, Batch, Precise: {split} accuracy in % with the running statistics, with those of the "
                    "evaluated batches, and with those of all training images.",
                )
                if "Running" in shown
                else ()
            ),
        ),
    )


def _shown(split: str, *, with_statistics: bool) -> dict[str, Metric]:
    """The metrics that have a column, by title."""
    metrics = metrics_of_split(split)
    shown = [metrics[f"{split}_accuracy"], metrics[f"{split}_loss"]]
    columns = {metric.title: metric for metric in shown}
    if with_statistics:
        columns |= {name.capitalize(): metrics[key] for name, key in STATISTICS.items()}
        columns["Eval gap"] = metrics["statistics_gap"]
    return columns


def _cells(row: NormRow, record: Record, along: Along, shown: dict[str, Metric]) -> tuple[Cell, ...]:
    found = metrics_of(record)
    return (
        row.label,
        *along.cells(row.by),
        str(record.seed),
        *(
            number(found.get(metric.key), metric.unit.scale, metric.digits, signed=metric.signed)
            for metric in shown.values()
        ),
        number(record.timing.train_s_per_epoch, 1, 1),
        record.status,
    )


def _common(folders: Sequence[Path]) -> Path:
    """The deepest folder that holds all; the current one where some are named from the root and some are not."""
    first, *others = folders
    places = (place for place in (first, *first.parents) if all(other.is_relative_to(place) for other in others))
    return next(places, Path())


def _within(place: Path, folder: Path) -> str:
    return printable(folder.relative_to(place) if folder.is_relative_to(place) else folder)


def _record(row: NormRow, run: Run, along: Along) -> dict[str, Value]:
    """Accuracies are fractions here, as in run.json."""
    record = run.record
    found = metrics_of(record)
    return {
        "norm": row.label,
        **along.record(row.by),
        "seed": record.seed,
        "status": record.status,
        **{key: found.get(key) for key in metrics_of_split(record.data.evaluated_on) if key != "generalization_gap"},
        "statistics_batch_size": record.statistics.batch_size if record.statistics else None,
        "train_s_per_epoch": record.timing.train_s_per_epoch,
        "experiment": record.experiment,
        "run_id": record.run_id,
        "folder": str(run.folder.path),
    }
