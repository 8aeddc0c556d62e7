"""`normbench runs`, `config` and `env` through the real entry point."""

import json
from pathlib import Path

import pytest
import yaml

from normbench.errors import ConfigError
from tests.records import make_record, write_run
from tests.tiny import invoke


@pytest.fixture
def results(tmp_path: Path) -> Path:
    write_run(tmp_path, make_record("bn", accuracy=0.8))
    write_run(tmp_path, make_record("gn", accuracy=0.85, config__train__batch_size=8))
    return tmp_path


def test_list_has_a_row_for_each_run(results: Path) -> None:
    rows = json.loads(invoke("runs", "list", results, "--format", "json").stdout)
    assert [(row["norm"], row["accuracy"], row["setting"]) for row in rows] == [
        ("BN", 0.8, "batch size 64"),
        ("GN(4)", 0.85, "batch size 8"),
    ]
    assert invoke("runs", "list", results, "-x", "default", "-s", "finished").stdout.count("finished") == 2


def test_one_run_is_shown_by_the_beginning_of_its_id(results: Path) -> None:
    shown = invoke("runs", "show", "gn", "--results", results).stdout
    for text in ("GN(4), seed 0: finished", "85.00 %", "train.batch_size"):
        assert text in shown
    record = json.loads(invoke("runs", "show", "gn", "--results", results, "-f", "json").stdout)
    assert record["run_id"] == "gn-s0-1a2b3c4d"
    assert invoke("runs", "path", "gn", "--results", results).stdout.strip().endswith("gn-s0-1a2b3c4d")


def test_diff_names_what_differs_and_nothing_else(results: Path) -> None:
    rows = json.loads(invoke("runs", "diff", "bn", "gn", "--results", results, "-f", "json").stdout)
    found = {row["key"]: (row["a"], row["b"]) for row in rows}
    assert found["train.batch_size"] == ("64", "8")
    assert found["norm.num_groups"] == ("-", "4")
    assert found["test_accuracy"] == ("80.00 %", "85.00 %")
    assert "train.epochs" not in found


def test_rm_asks_and_without_anybody_to_ask_removes_nothing(results: Path) -> None:
    refused = invoke("runs", "rm", "bn", "--results", results)
    assert isinstance(refused.exception, ConfigError)
    assert "--yes" in str(refused.exception)
    assert invoke("runs", "rm", "bn", "--results", results, "--yes").exit_code == 0
    assert [row["norm"] for row in json.loads(invoke("runs", "list", results, "-f", "json").stdout)] == ["GN(4)"]


def test_a_name_of_no_run_is_answered_with_the_nearest(results: Path) -> None:
    error = invoke("runs", "show", "gn-s0-1a2b3c4e", "--results", results).exception
    assert isinstance(error, ConfigError)
    assert "did you mean 'gn-s0-1a2b3c4d'" in str(error)


def test_a_shown_config_can_be_read_back(tmp_path: Path) -> None:
    shown = invoke("config", "show", "default", "--set", "norm=gn", "--set", "train.lr=0.5").stdout
    found = yaml.safe_load(shown)
    assert (found["norm"]["num_groups"], found["train"]["optimizer"]["lr"]) == (4, 0.5)
    (tmp_path / "again.yaml").write_text(shown)
    assert invoke("config", "show", tmp_path / "again.yaml").stdout == shown


def test_check_counts_the_runs_of_a_config_or_names_what_is_wrong(tmp_path: Path) -> None:
    file = tmp_path / "sweep.yaml"
    file.write_text("name: mine\nseeds: [0, 1]\nsweep: {norm: [bn, gn, ln]}\n")
    assert "mine: 6 runs" in invoke("config", "check", file).stdout
    file.write_text("norm: {kind: gn, num_groups: 5}\n")
    wrong = invoke("config", "check", file)
    assert isinstance(wrong.exception, ConfigError)
    assert "num_groups: 5" in str(wrong.exception)


def test_env_has_the_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NORMBENCH_DATA", "somewhere")
    rows = {row["what"]: row["value"] for row in json.loads(invoke("env", "--format", "json").stdout)}
    assert rows["NORMBENCH_DATA"] == "somewhere"
    assert {"normbench", "torch", "cpu", "kernels", "threads", "cache"} <= rows.keys()
