"""Accuracy by norm and value of one more key, as a table."""

from normbench.analysis.compare.by import Grid
from normbench.analysis.compare.compare import Comparison
from normbench.analysis.compare.words import name_in_words
from normbench.analysis.stats.pairs import By
from normbench.present.tables.along import axis_value
from normbench.present.tables.context import comparison_title, context_notes, interval_note
from normbench.present.tables.numbers import estimate_record, is_too_few, number, with_interval
from normbench.present.tables.table import NOT_KNOWN, Cell, Table, Value


def grid_table(comparison: Comparison) -> Table:
    """One row per norm, one column per value: mean accuracy in %, its interval, n, and how many runs diverged."""
    grid = comparison.grid
    if grid is None:
        raise ValueError("the comparison goes along no key")
    return Table(
        title=f"{comparison_title(comparison)}; {comparison.split} accuracy in % by {name_in_words(grid.key)}",
        columns=("Norm", *(_header(value, grid.key) for value in grid.values)),
        rows=tuple((label, *(_cell(grid, label, value) for value in grid.values)) for label in grid.labels),
        records=tuple(
            _record(grid, label, value)
            for label in grid.labels
            for value in grid.values
            if (label, value) in grid.cells
        ),
        notes=(
            *interval_note({estimate.n for estimate in grid.cells.values()}, comparison.confidence),
            *context_notes(comparison),
        ),
    )


def _header(value: By, key: str) -> str:
    return "not set" if value is None else axis_value(value, key)


def _cell(grid: Grid, label: str, value: By) -> Cell:
    place = label, value
    if place not in grid.cells:
        return NOT_KNOWN
    estimate, diverged = grid.cells[place], grid.diverged[place]
    shown = number(estimate.mean, 100, 2) if is_too_few(estimate) else with_interval(estimate, 100, 2)
    pieces = [*([shown] if isinstance(shown, str) else shown), f"n={estimate.n}"]
    return (*pieces, f"+{diverged}", "div.") if diverged else tuple(pieces)


def _record(grid: Grid, label: str, value: By) -> dict[str, Value]:
    estimate = grid.cells[label, value]
    return {
        "norm": label,
        "key": grid.key,
        "value": value,
        "n": estimate.n,
        "diverged": grid.diverged[label, value],
        **estimate_record("accuracy", estimate),
        "why_no_interval": estimate.why_undefined,
    }
