"""Tables in every format."""

import csv
import io
import json

import pytest
from rich.console import Console

from normbench.errors import ConfigError
from normbench.present.tables.norms import comparison_table
from normbench.present.tables.pairs import pairs_table
from normbench.present.tables.table import FORMATS, Table, render
from tests.records import compare_records, make_record
from tests.tables import shown, three_seeds

ODD = Table(
    title="100 % of a_b",
    columns=("Norm", "Value"),
    rows=(("=GN|4 [red]x_1", ("1.0", "[0.5,", "1.5]")),),
    records=({"norm": "=GN|4", "value": -1 / 3, "why": None},),
    notes=("a & b: :smile:",),
)


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_prints_every_norm(format: str) -> None:
    text = shown(three_seeds(), format)
    assert "BN" in text
    assert "GN(4)" in text
    assert "\x1b" not in text


def test_an_unknown_format_is_answered_with_the_known() -> None:
    with pytest.raises(ConfigError, match="unknown format 'jsn': did you mean 'json'"):
        render(ODD, "jsn", Console())


def test_piped_output_is_one_line_a_row() -> None:
    lines = shown(three_seeds(), "table", width=20).splitlines()
    (row,) = [line for line in lines if line.startswith("BN ")]
    assert "79.10 [78.85, 79.35]" in row
    assert row.split()[0:2] == ["BN", "3"]


@pytest.mark.parametrize("width", [40, 80, 100, 140])
def test_on_a_terminal_nothing_is_cut_off_or_wider_than_it(width: int) -> None:
    text = shown(three_seeds(), "table", width, terminal=True)
    grid = text.partition("Data:")[0].replace("\n", " ")
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width
    for number in ("79.10", "[78.85,", "79.35]", "40,394", "2,090", "12.5"):
        assert number in grid.split()


def pairs() -> Table:
    spread = (0.0, 0.004, 0.009)
    records = [
        make_record(kind, seed, mean + spread[seed])
        for kind, mean in (("bn", 0.8), ("gn", 0.79), ("ln", 0.7))
        for seed in range(3)
    ]
    return pairs_table(compare_records(records)[0])


@pytest.mark.parametrize("width", [60, 80, 100, 140, 200])
def test_sentences_break_between_words_and_nothing_is_lost(width: int) -> None:
    text = shown(pairs(), "table", width, terminal=True)
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width
    words = text.split()
    for word in ("undecided:", "real:", "10.0", "points", "below", "about", "more", "seeds", "would", "tell"):
        assert word in words


def test_at_80_columns_pairs_are_a_grid_and_at_200_a_line_each() -> None:
    narrow = shown(pairs(), "table", 80, terminal=True).splitlines()
    assert any(line.split()[:1] == ["Pair"] for line in narrow)
    wide = shown(pairs(), "table", 200, terminal=True)
    assert any("LN - BN" in line and "real: LN is 10.0 points below BN" in line for line in wide.splitlines())


def test_a_wide_terminal_has_a_line_a_row() -> None:
    text = shown(three_seeds(), "table", 140, terminal=True)
    assert "79.10 [78.85, 79.35]" in text


def test_csv_has_one_number_a_cell() -> None:
    bn, gn = csv.DictReader(io.StringIO(shown(three_seeds(), "csv")))
    assert float(bn["test_accuracy"]) == pytest.approx(0.791)
    assert float(bn["test_accuracy_low"]) < 0.791 < float(bn["test_accuracy_high"])
    assert (bn["norm"], bn["n"], bn["data"], gn["diverged"]) == ("BN", "3", "folder", "1")


def test_csv_runs_no_formula() -> None:
    (row,) = csv.DictReader(io.StringIO(shown(ODD, "csv")))
    assert row == {"norm": "'=GN|4", "value": repr(-1 / 3), "why": ""}


def test_json_is_a_list_of_rows_in_full_precision() -> None:
    assert json.loads(shown(ODD, "json")) == [dict(ODD.records[0])]
    rows = json.loads(shown(comparison_table(compare_records([make_record("bn")])[0]), "json"))
    assert rows[0]["test_accuracy"] == 0.8
    assert rows[0]["test_accuracy_low"] is None
    assert rows[0]["why_no_interval"] == "one run: no interval"


def test_markdown_escapes_its_own_signs() -> None:
    lines = shown(ODD, "md").splitlines()
    assert lines[2].startswith("| Norm ")
    assert lines[3].startswith("|:---")
    assert lines[4].startswith(r"| =GN\|4 [red]x_1 |")
    assert len(lines[2]) == len(lines[3]) == len(lines[4])


def test_latex_escapes_its_own_signs() -> None:
    text = shown(ODD, "latex")
    assert r"\caption{100 \% of a\_b}" in text
    assert r"=GN|4 {[}red]x\_1 & 1.0 {[}0.5, 1.5] \\" in text
    assert r"a \& b" in text
    assert r"\toprule" in text


def test_markup_in_names_is_text() -> None:
    for terminal in (False, True):
        text = shown(ODD, "table", terminal=terminal)
        assert "[red]x_1" in text
        assert ":smile:" in text


def test_output_that_cannot_hold_a_sign_gets_its_escape() -> None:
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    render(Table("é", ("Norm",), (("ü",),), ({"norm": "ü"},)), "json", Console(file=out))
    out.flush()
    assert b"\\xfc" in out.buffer.getvalue()  # type: ignore[attr-defined]
