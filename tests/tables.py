"""Tables as text, and one of a small comparison."""

import io

from rich.console import Console

from normbench.present.tables.norms import comparison_table
from normbench.present.tables.render import render
from normbench.present.tables.table import Table
from tests.records import compare_records, make_diverged, make_record

ODD = Table(
    title="100 % of a_b",
    columns=("Norm", "Value"),
    rows=(("=GN|4 [red]x_1", ("-1.0", "[-1.5,", "0.5]")),),
    records=({"norm": "=GN|4", "value": -1 / 3, "why": None},),
    notes=("a & b: :smile:",),
)
"""Signs that mean something to a terminal, a spreadsheet, Markdown or LaTeX."""


def shown(table: Table, format: str, width: int = 80, *, terminal: bool = False, encoding: str = "utf-8") -> str:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding=encoding, newline="")
    render(table, format, Console(file=out, width=width, force_terminal=terminal, no_color=True, color_system=None))
    out.flush()
    return raw.getvalue().decode(encoding)


def three_seeds() -> Table:
    records = [make_record(kind, seed, 0.79 + seed / 1000) for kind in ("bn", "gn") for seed in range(3)]
    return comparison_table(compare_records([*records, make_diverged("gn", 3)])[0])
