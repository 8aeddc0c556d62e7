"""Tables for programs."""

import csv
import io
import json

import pytest

from normbench.present.tables.norms import comparison_table
from tests.records import compare_records, make_record
from tests.tables import ODD, shown, three_seeds


def test_csv_has_one_number_per_cell() -> None:
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


def test_json_stays_json_where_the_output_is_ascii() -> None:
    table = comparison_table(compare_records([make_record("bn", label="Bü")])[0])
    assert json.loads(shown(table, "json", encoding="ascii"))[0]["norm"] == "Bü"
