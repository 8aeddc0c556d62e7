"""The tables that answer a comparison, by name."""

from collections.abc import Callable, Collection
from dataclasses import replace

from normbench.analysis.compare.compare import Comparison
from normbench.analysis.compare.predictions import predicted
from normbench.analysis.compare.time_to import time_to
from normbench.errors import ConfigError
from normbench.present.tables.context import context_notes
from normbench.present.tables.grid import grid_table
from normbench.present.tables.metrics import metrics_table
from normbench.present.tables.norms import comparison_table
from normbench.present.tables.pairs import pairs_table
from normbench.present.tables.predictions import calibration_table, classes_table
from normbench.present.tables.runs import runs_table
from normbench.present.tables.table import Table
from normbench.present.tables.time_to import time_to_table

Tables = dict[str, Table]

OF_RECORDS: dict[str, Callable[[Comparison], Table]] = {
    "grid": grid_table,
    "norms": comparison_table,
    "pairs": pairs_table,
    "metrics": metrics_table,
    "runs": runs_table,
}
"""Tables that need nothing but what compare has read; the others read more of each run's folder."""


def answer(
    comparison: Comparison, wanted: Collection[str], to_accuracy: float | None = None
) -> tuple[Tables, list[str]]:
    """The `wanted` tables in the order in which they are read, and notes on files that were missing or damaged.

    `to_accuracy`, in %, is needed for the table `time_to`. Raises ConfigError for a table that cannot be made.
    """
    if "grid" in wanted and comparison.grid is None:
        raise ConfigError("the table grid needs --by, e.g. --by train.batch_size")
    if "pairs" in wanted and not comparison.pairs:
        raise ConfigError("the table pairs needs two norms to compare")
    tables = {name: make(comparison) for name, make in OF_RECORDS.items() if name in wanted}
    notes: list[str] = []
    if "time_to" in wanted:
        if to_accuracy is None:
            raise ConfigError("the table time_to needs --to-accuracy, e.g. --to-accuracy 80")
        times, more = time_to(comparison.rows, to_accuracy / 100, comparison.split)
        tables["time_to"] = time_to_table(comparison, times, to_accuracy)
        notes += more
    if {"calibration", "classes"} & set(wanted):
        found, more = predicted(comparison.rows)
        notes += more
        if "calibration" in wanted:
            tables["calibration"] = calibration_table(comparison, found)
        if "classes" in wanted:
            tables["classes"] = classes_table(comparison, found)
    if not {"norms", "grid"} & set(tables):  # these two say it themselves
        name, last = list(tables.items())[-1]
        tables[name] = replace(last, notes=(*last.notes, *context_notes(comparison)))
    return tables, notes


def default_tables(comparison: Comparison) -> list[str]:
    """What is shown unless something else is asked for; of single runs there is no verdict."""
    has_pairs = comparison.pairs and any(row.n > 1 for row in comparison.rows)
    return ["norms" if comparison.grid is None else "grid", *(["pairs"] if has_pairs else [])]
