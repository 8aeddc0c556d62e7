"""A table of values -> the arms in it."""

import io
import json
from pathlib import Path

import pytest

from normbench.analysis.values.read import Columns, read_values
from normbench.errors import ConfigError, DataError, NormbenchError


def write(folder: Path, text: str, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_long_table_has_one_row_for_each_run(tmp_path: Path) -> None:
    found = read_values(write(tmp_path, "arm,seed,metric\na,0,1.5\nb,0,2\na,1,\n"), Columns())
    assert [(arm.name, dict(arm.values)) for arm in found.arms] == [("a", {0: 1.5, 1: None}), ("b", {0: 2.0})]
    assert found.arms[0].finished == {0: 1.5}


def test_a_wide_table_has_one_column_for_each_arm(tmp_path: Path) -> None:
    found = read_values(write(tmp_path, "seed,a,b\n7,1,2\n8,3,\n9,nan,4\n"), Columns(arms=()))
    assert [(arm.name, dict(arm.values)) for arm in found.arms] == [
        ("a", {0: 1.0, 1: 3.0, 2: None}),
        ("b", {0: 2.0, 2: 4.0}),
    ]


@pytest.mark.parametrize(
    ("text", "columns"),
    [("arm,metric\na,1\nb,2\na,3\nb,4\n", Columns()), ("a,b\n1,2\n3,4\n", Columns(arms=()))],
    ids=["long", "wide"],
)
def test_without_seeds_no_run_of_one_arm_is_paired_with_one_of_another(
    text: str, columns: Columns, tmp_path: Path
) -> None:
    found = read_values(write(tmp_path, text), columns)
    a, b = (set(arm.values) for arm in found.arms)
    assert (len(a), len(b), a & b, found.has_seeds) == (2, 2, set(), False)


def test_a_further_key_makes_arms_of_its_own(tmp_path: Path) -> None:
    text = "arm,seed,metric,size\na,0,1,8\na,0,2,16\n"
    found = read_values(write(tmp_path, text), Columns(by="size"))
    assert [(arm.name, arm.by) for arm in found.arms] == [("a", "8"), ("a", "16")]
    with pytest.raises(ConfigError, match=r"line 3: a second row of 'a', seed 0.*--by"):
        read_values(write(tmp_path, text), Columns())


@pytest.mark.parametrize("ending", ["jsonl", "tsv", "csv"])
def test_formats_give_the_same_values(tmp_path: Path, ending: str) -> None:
    rows = [{"arm": "a", "seed": 0, "metric": 1.5}, {"arm": "b", "seed": 0, "metric": None}]
    if ending == "jsonl":
        text = "\n".join(json.dumps(row) for row in rows)
    else:
        table = "arm,seed,metric\na,0,1.5\nb,0,"
        text = "\ufeff" + (table.replace(",", "\t") if ending == "tsv" else table)
    found = read_values(write(tmp_path, text, f"t.{ending}"), Columns())
    assert [(arm.name, dict(arm.values)) for arm in found.arms] == [("a", {0: 1.5}), ("b", {0: None})]


def test_parquet_gives_the_same_values(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(
        pyarrow.table({"arm": ["a", "b"], "seed": [0, 0], "metric": [1.5, None]}), tmp_path / "t.parquet"
    )
    found = read_values(tmp_path / "t.parquet", Columns())
    assert [(arm.name, dict(arm.values)) for arm in found.arms] == [("a", {0: 1.5}), ("b", {0: None})]


@pytest.mark.parametrize("text", ["arm,metric\na,1\n", '{"arm": "a", "metric": 1}\n'], ids=["csv", "json lines"])
def test_stdin_has_csv_or_json_lines(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    assert list(read_values(Path("-"), Columns()).arms[0].finished.values()) == [1.0]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("arm,metric\na,fast\n", "line 2: metric is 'fast', not a number"),
        ("arm,metric\na,1e999\n", "not a number"),
        ("arm,metric\na,1e308\n", "line 2: metric is 1e308; statistics take 0 and sizes from 1e-150 to 1e"),
        ("arm,metric\na,-1e-300\n", "line 2: metric is -1e-300; statistics take 0 and sizes from 1e-150 to 1e"),
        ("arm,metric\na,1,2\n", "line 2: has 3 cells, and the header has 2"),
        ("arm,metric,arm\n", "'arm' is there twice"),
        ("arm,metric\n,1\n", "line 2: arm is empty"),
        ("arm,metric\n", "has no row"),
        ("", "has no row"),
        ('arm,metric\n"a,1\n', "is not CSV"),
        ("norm,metric\na,1\n", "--arm: unknown column 'arm'"),
        ("arm,metrics\na,1\n", "did you mean 'metrics'"),
    ],
)
def test_a_wrong_table_is_answered_with_its_place(tmp_path: Path, text: str, what: str) -> None:
    with pytest.raises(NormbenchError, match=what):
        read_values(write(tmp_path, text), Columns())


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="not UTF-8"):
        read_values(tmp_path / "t.csv", Columns())
    with pytest.raises(DataError, match="no such file"):
        read_values(tmp_path / "none.csv", Columns())
