"""The tables that answer a comparison, by name."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from normbench.analysis.compare.calibration import calibrations
from normbench.analysis.compare.compare import Comparison
from normbench.analysis.compare.comparisons import Need
from normbench.analysis.compare.time_to import time_to
from normbench.errors import ConfigError
from normbench.present.tables.answers import answer_notes, answers
from normbench.present.tables.calibration import calibration_table, classes_table
from normbench.present.tables.context import context_notes
from normbench.present.tables.grid import grid_table
from normbench.present.tables.metrics import metrics_table
from normbench.present.tables.norms import comparison_table
from normbench.present.tables.pairs import pairs_table
from normbench.present.tables.runs import runs_table
from normbench.present.tables.table import Table
from normbench.present.tables.time_to import time_to_table

Made = tuple[Table, list[str]]
"""A table, and notes on files that were missing or damaged."""


@dataclass(frozen=True)
class Entry:
    """How a table is made of a comparison and the accuracy of --to-accuracy, in %, and what must be read for it.

    `make` raises ConfigError for a table that cannot be made.
    """

    make: Callable[[Comparison, float | None], Made]
    needs: frozenset[Need] = frozenset()
    says_context: bool = False
    """Whether the table's notes have the context already."""


def answer(
    comparison: Comparison, wanted: Collection[str], to_accuracy: float | None = None, *, verdicts: bool = False
) -> tuple[dict[str, Table], list[str]]:
    """The `wanted` tables in the order of TABLES, and notes on files that were missing or damaged.

    With `verdicts` the first table has a sentence on each pair above its rows. `to_accuracy`, in %, is needed for the
    table `time_to`. Raises ConfigError for a table that cannot be made.
    """
    made = {name: entry.make(comparison, to_accuracy) for name, entry in TABLES.items() if name in wanted}
    tables = {
        name: replace(table, name=name, footer=(*table.footer, *comparison.differs))
        for name, (table, _) in made.items()
    }
    if not any(TABLES[name].says_context for name in tables):
        name, last = list(tables.items())[-1]
        tables[name] = replace(last, notes=(*last.notes, *context_notes(comparison)))
    if verdicts:
        name, first = next(iter(tables.items()))
        notes = (*first.notes[:1], *answer_notes(comparison), *first.notes[1:])
        tables[name] = replace(first, answers=answers(comparison), notes=notes)
    return tables, list(dict.fromkeys(note for _, notes in made.values() for note in notes))


def default_tables(comparison: Comparison, *, full: bool = False) -> list[str]:
    """What is shown unless something else is asked for; `full` adds the tests of each pair and every metric."""
    first = "norms" if comparison.grid is None else "grid"
    if not full:
        return [first]
    return [first, *(["pairs"] if comparison.pairs else []), "metrics"]


def table_needs(names: Collection[str]) -> set[Need]:
    """What `comparisons` must read for these tables."""
    return {need for name in names for need in TABLES[name].needs}


def _of_records(make: Callable[[Comparison], Table], *, says_context: bool = False) -> Entry:
    return Entry(lambda comparison, _: (make(comparison), []), says_context=says_context)


def _grid(comparison: Comparison) -> Table:
    if comparison.grid is None:
        raise ConfigError("the table grid needs --by, e.g. --by train.batch_size")
    return grid_table(comparison)


def _pairs(comparison: Comparison) -> Table:
    if not comparison.pairs:
        raise ConfigError("the table pairs needs two norms to compare")
    return pairs_table(comparison)


def _time_to(comparison: Comparison, to_accuracy: float | None) -> Made:
    if to_accuracy is None:
        raise ConfigError("the table time_to needs --to-accuracy, e.g. --to-accuracy 80")
    times, notes = time_to(comparison.rows, to_accuracy / 100, comparison.split)
    return time_to_table(comparison, times, to_accuracy), notes


def _calibration(comparison: Comparison, _: float | None) -> Made:
    found, notes = calibrations(comparison.rows)
    return calibration_table(comparison, found), notes


def _classes(comparison: Comparison, _: float | None) -> Made:
    found, notes = calibrations(comparison.rows)
    return classes_table(comparison, found), notes


_PREDICTIONS: frozenset[Need] = frozenset({"predictions"})

TABLES: dict[str, Entry] = {
    "grid": _of_records(_grid, says_context=True),
    "norms": _of_records(comparison_table, says_context=True),
    "pairs": _of_records(_pairs),
    "metrics": _of_records(metrics_table),
    "runs": _of_records(runs_table),
    "time_to": Entry(_time_to),
    "calibration": Entry(_calibration, _PREDICTIONS),
    "classes": Entry(_classes, _PREDICTIONS),
}
"""In the order in which they are read. A new table is a function and a line here."""
