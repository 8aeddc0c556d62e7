"""The sets of runs that there are to compare, as a table: a row a set."""

from collections.abc import Sequence

from normbench.analysis.compare.overview import SetRow
from normbench.present.tables.table import Cell, Table
from normbench.text import plural

MOST_NAMES = 3


def overview_table(rows: Sequence[SetRow], num_shown: int, possible_axes: Sequence[str] = ()) -> Table:
    """Experiment, norms, number of runs, when the newest was finished, and what tells the set apart.

    `num_shown`: the first so many sets are compared below the table.
    """
    return Table(
        title=f"{len(rows)} sets of runs that may be compared",
        columns=("Set", "Experiment", "Norms", "Differs in", "Runs", "Newest"),
        rows=tuple(
            (
                str(number),
                _pieces(row.experiments),
                _pieces(row.labels),
                ", ".join(row.apart),
                f"{row.num_runs:,}",
                tuple(row.newest[:16].split("T")),
            )
            for number, row in enumerate(rows, 1)
        ),
        records=tuple(
            {
                "set": number,
                "experiments": "; ".join(row.experiments),
                "norms": "; ".join(row.labels),
                "num_runs": row.num_runs,
                "newest": row.newest,
                "apart": "; ".join(row.apart),
                "shown": number <= num_shown,
            }
            for number, row in enumerate(rows, 1)
        ),
        notes=tuple(_notes(len(rows), num_shown, possible_axes)),
        num_text_columns=4,
        wraps=True,
    )


def _pieces(names: Sequence[str]) -> Cell:
    """The first names, and how many more there are on a line of its own if the terminal is narrow."""
    more = len(names) - MOST_NAMES
    return (", ".join(names[:MOST_NAMES]), f"and {more:,} more") if more > 0 else ", ".join(names)


def _notes(num_sets: int, num_shown: int, possible_axes: Sequence[str]) -> list[str]:
    notes = []
    if num_shown < num_sets:
        below = "The first is" if num_shown == 1 else f"The newest {plural(num_shown, 'set')} are"
        notes.append(f"{below} compared below; --all-sets shows all, a folder or --experiment NAME shows one.")
    if possible_axes:
        notes.append(f"--by {' or --by '.join(possible_axes)} compares the norms at each value, in one table.")
    return notes
