"""Tables as text, and one of a small comparison."""

import io

from rich.console import Console

from normbench.analysis.compare.compare import Comparison, Options
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


WOBBLE = (-0.001, 0.0, 0.001, 0.0005, -0.0005)


def compared(options: Options | None = None, spread: float = 1.0, seeds: int = 5, **means: float) -> Comparison:
    """Norms with these mean accuracies; runs of one seed differ by up to 0.1 points, of `in` by `spread` as much."""
    records = [
        make_record(kind, seed, mean + (spread if kind == "in" else 1) * WOBBLE[(seed + place) % 5])
        for place, (kind, mean) in enumerate(means.items())
        for seed in range(seeds)
    ]
    return compare_records(records, options)[0]
