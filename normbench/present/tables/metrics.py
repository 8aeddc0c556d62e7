"""Every metric of every norm, a row each: `compare --full`."""

from normbench.analysis.compare.compare import Comparison
from normbench.analysis.compare.rows import NormRow
from normbench.analysis.stats.metrics import STATISTICS, Metric, metrics_of_split
from normbench.present.tables.along import Along
from normbench.present.tables.numbers import number, with_interval
from normbench.present.tables.table import Cell, Table, Value


def metrics_table(comparison: Comparison) -> Table:
    """n, mean with interval, std, least and greatest over seeds; accuracies in %, gaps in points."""
    along, metrics = Along(comparison.key), metrics_of_split(comparison.split)
    measured = [(row, metrics[key]) for row in comparison.rows for key in row.metrics]
    return Table(
        title="Every metric over seeds",
        columns=("Norm", *along.columns, "Metric", "n", "Mean", "Std", "Min", "Max"),
        rows=tuple(
            (row.label, *along.cells(row.by), metric.title, str(row.metrics[metric.key].n), *_numbers(row, metric))
            for row, metric in measured
        ),
        records=tuple(_record(row, metric, along) for row, metric in measured),
        notes=_notes(comparison),
        num_text_columns=2 + len(along.columns),
        dispensable=("n",),
    )


def _notes(comparison: Comparison) -> tuple[str, ...]:
    if not any(key in row.metrics for row in comparison.rows for key in STATISTICS.values()):
        return ()
    return (
        "Acc, running, batch, precise: accuracy with the running statistics, with those of the evaluated batches, and "
        "with those of all training images.",
    )


def _numbers(row: NormRow, metric: Metric) -> tuple[Cell, ...]:
    estimate, values = row.metrics[metric.key], row.values[metric.key]
    scale, digits, signed = metric.unit.scale, metric.full_digits, metric.signed
    return (
        with_interval(estimate, scale, digits, signed=signed),
        number(estimate.std, scale, digits),
        number(min(values, default=None), scale, digits, signed=signed),
        number(max(values, default=None), scale, digits, signed=signed),
    )


def _record(row: NormRow, metric: Metric, along: Along) -> dict[str, Value]:
    estimate, values = row.metrics[metric.key], row.values[metric.key]
    return {
        "norm": row.label,
        **along.record(row.by),
        "metric": metric.key,
        "n": estimate.n,
        "mean": estimate.mean,
        "std": estimate.std,
        "low": estimate.low,
        "high": estimate.high,
        "min": min(values, default=None),
        "max": max(values, default=None),
        "why_no_interval": estimate.why_undefined,
    }
