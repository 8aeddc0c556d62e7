"""Tables as text, and one of a small comparison."""

import io

from rich.console import Console

from normbench.present.tables.norms import comparison_table
from normbench.present.tables.table import Table, render
from tests.records import compare_records, make_diverged, make_record


def shown(table: Table, format: str, width: int = 80, *, terminal: bool = False) -> str:
    out = io.StringIO()
    render(table, format, Console(file=out, width=width, force_terminal=terminal, no_color=True, color_system=None))
    return out.getvalue()


def three_seeds() -> Table:
    records = [make_record(kind, seed, 0.79 + seed / 1000) for kind in ("bn", "gn") for seed in range(3)]
    return comparison_table(compare_records([*records, make_diverged("gn", 3)])[0])
