"""The sets of runs that there are to compare, as a table: one row per set."""

from collections.abc import Sequence

from normbench.analysis.compare.overview import SetRow
from normbench.present.tables.table import Table
from normbench.text import listed, plural

MOST_LABELS = 3


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
                listed(row.experiments, 2),
                ", ".join(row.labels) if len(row.labels) <= MOST_LABELS else plural(len(row.labels), "norm"),
                ", ".join(row.apart),
                f"{row.num_runs:,}",
                row.newest[:10],
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
        dispensable=("Newest",),
    )


def _notes(num_sets: int, num_shown: int, possible_axes: Sequence[str]) -> list[str]:
    notes = []
    if num_shown < num_sets:
        notes.append(
            f"The newest {num_shown} are compared below; --all-sets shows all, a folder or --experiment NAME shows one."
        )
    if possible_axes:
        notes.append(f"--by {' or --by '.join(possible_axes)} compares the norms at each value, in one table.")
    return notes
