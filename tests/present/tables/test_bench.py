"""A bench as tables."""

import io

import pytest
from rich.console import Console

from normbench.bench.result import Bench, Ceilings, NormTimings, Timing
from normbench.present.report.document import View, render_document
from normbench.present.tables.bench import bench_tables
from tests.timings import make_bench


@pytest.mark.parametrize("width", [80, 140])
def test_fits_the_terminal_and_says_all(width: int) -> None:
    console = Console(width=width, file=io.StringIO(), force_terminal=True, color_system=None)
    tables = bench_tables(make_bench(), "cpu, 2 threads, bf16, batch 64, 3 rounds of 10 steps")
    render_document(tables, View(), console, {}, [])
    shown = console.file.getvalue()
    assert max(map(len, shown.splitlines())) <= width
    words = shown.split()
    for table in tables.values():
        for row in table.rows:
            for cell in row:
                assert all(word in words for word in " ".join([cell] if isinstance(cell, str) else cell).split())


def test_a_step_that_cannot_be_divided_says_so() -> None:
    whole = NormTimings("none", "none", 1, (Timing(1, 64, 0.1, None),), 1)
    tables = bench_tables(Bench((whole,), {}, (Ceilings({"bf16": 1.0}, 1.0),), "cuda", "bf16"), "cuda")
    assert tables["parts"].rows == (("none", "-", "-", "-", "-", "-", "100.00"),)
    assert "cannot be divided" in tables["parts"].notes[-1]
    assert tables["norms"].records[0]["forward_ms"] is None
    assert not {"plain", "busy"} & set(tables)
