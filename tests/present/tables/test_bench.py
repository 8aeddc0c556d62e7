"""A bench as tables."""

import io
from dataclasses import replace

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


@pytest.mark.parametrize(
    ("device", "precision", "says"), [("cpu", "fp32", True), ("cpu", "bf16", False), ("cuda", "fp32", False)]
)
def test_more_than_the_peak_is_explained_where_it_is_possible(device: str, precision: str, says: bool) -> None:
    bench = replace(make_bench(), device=device, precision=precision)
    bench = replace(bench, ceilings=tuple(Ceilings({precision: 1.0}, 1.0) for _ in bench.ceilings))
    notes = bench_tables(bench, "64 images a step")["norms"].notes
    assert any("may exceed 100" in note for note in notes) == says
