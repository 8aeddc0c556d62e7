"""Every metric of every norm, a row each: `compare --full`."""

from normbench.analysis.compare.compare import Comparison
from normbench.analysis.compare.rows import GAP, STATISTICS, STATISTICS_GAP, NormRow
from normbench.present.tables.numbers import NOT_KNOWN, axis_value, number, short_key, with_interval
from normbench.present.tables.table import Cell, Table, Value


def metrics_table(comparison: Comparison) -> Table:
    """n, mean with interval, std, least and greatest over seeds; accuracies in %, gaps in points."""
    key = comparison.grid.key if comparison.grid else None
    places = [(row, name) for row in comparison.rows for name in row.metrics]
    return Table(
        title="Every metric over seeds",
        columns=("Norm", *([short_key(key)] if key else []), "Metric", "n", "Mean", "Std", "Min", "Max"),
        rows=tuple(
            (
                row.label,
                *([axis_value(row.by, key)] if key else []),
                _title(name, comparison.split),
                str(row.metrics[name].n),
                *_numbers(row, name),
            )
            for row, name in places
        ),
        records=tuple(_record(row, name, key) for row, name in places),
        num_text_columns=3 if key else 2,
    )


def _numbers(row: NormRow, name: str) -> tuple[Cell, ...]:
    estimate, values = row.metrics[name], row.values[name]
    scale, digits = _form(name)
    signed = name in (GAP, STATISTICS_GAP)
    extremes = (min(values), max(values)) if values else (None, None)
    return (
        with_interval(estimate, scale, digits, signed=signed),
        number(estimate.std, scale, digits),
        *(number(value, scale, digits, signed=signed) if values else NOT_KNOWN for value in extremes),
    )


def _form(name: str) -> tuple[float, int]:
    if name.endswith("_errors"):
        return 1, 1
    return (1, 4) if name.endswith("_loss") else (100, 2)


def _title(name: str, split: str) -> str:
    named = {
        "train_accuracy": "Train Acc",
        f"{split}_accuracy": f"{split.capitalize()} Acc",
        "train_loss": "Train Loss",
        f"{split}_loss": f"{split.capitalize()} Loss",
        f"{split}_errors": f"{split.capitalize()} errors",
        GAP: "Gap",
        STATISTICS_GAP: "Eval gap",
        **{long: f"Acc, {short} statistics" for short, long in STATISTICS.items()},
    }
    return named[name]


def _record(row: NormRow, name: str, key: str | None) -> dict[str, Value]:
    estimate, values = row.metrics[name], row.values[name]
    along: dict[str, Value] = {key: row.by} if key else {}
    return {
        "norm": row.label,
        **along,
        "metric": name,
        "n": estimate.n,
        "mean": estimate.mean,
        "std": estimate.std,
        "low": estimate.low,
        "high": estimate.high,
        "min": min(values, default=None),
        "max": max(values, default=None),
        "why_no_interval": estimate.why_undefined,
    }
