"""`normbench compare` through the real entry point."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

from normbench.errors import ConfigError, NormbenchError
from tests.records import make_record, write_run
from tests.tiny import invoke


@pytest.fixture
def results(tmp_path: Path) -> Path:
    root = tmp_path / "results"
    for kind, accuracy in (("bn", 0.80), ("gn", 0.78), ("ln", 0.77)):
        for seed in range(3):
            write_run(root, make_record(kind, seed, accuracy=accuracy + seed / 1000))
    return root


def test_the_table_has_a_row_a_norm_with_n_mean_and_interval(results: Path) -> None:
    result = invoke("compare", results)
    assert result.exit_code == 0, result.output
    rows = {line.split()[0]: line for line in result.stdout.splitlines() if line.startswith(("BN ", "GN(4) ", "LN "))}
    assert list(rows) == ["BN", "GN(4)", "LN"]
    # 80.0, 80.1, 80.2: mean 80.1, std 0.1, t(2, 0.975) = 4.303: ± 0.248
    assert "80.10 [79.85, 80.35]" in rows["BN"]
    assert rows["BN"].split()[1] == "3"


def test_json_goes_alone_to_stdout_and_notes_to_stderr(results: Path) -> None:
    (results / "broken").mkdir()
    (results / "broken" / "run.json").write_text("{")
    done = subprocess.run(
        [sys.executable, "-m", "normbench", "compare", results, "--format", "json"],
        capture_output=True,
        text=True,
        check=True,
    )
    rows = json.loads(done.stdout)["norms"]
    assert [row["norm"] for row in rows] == ["BN", "GN(4)", "LN"]
    assert rows[0]["test_accuracy"] == pytest.approx(0.801)
    assert "broken" in done.stderr


def test_csv_can_be_read_back(results: Path) -> None:
    rows = list(csv.DictReader(invoke("compare", results, "--format", "csv").stdout.splitlines()))
    assert float(rows[1]["test_accuracy"]) == pytest.approx(0.781)


def test_two_recipes_are_refused_and_the_experiment_chooses(results: Path) -> None:
    write_run(results, make_record("bn", 0, experiment="other", config__train__batch_size=8))
    refused = invoke("compare", results)
    assert isinstance(refused.exception, ConfigError)
    assert "train.batch_size" in str(refused.exception)
    assert invoke("compare", results, "--experiment", "default").exit_code == 0
    assert invoke("compare", results, "--where", "train.batch_size=8").exit_code == 0


def test_no_results_is_one_sentence_with_a_way_out(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "normbench", "compare", tmp_path / "nowhere"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert "nowhere" in done.stderr
    assert "Traceback" not in done.stderr


def test_json_is_one_object_of_norms_and_pairs(results: Path) -> None:
    document = json.loads(invoke("compare", results, "--format", "json", "--runs").stdout)
    assert list(document) == [
        *("schema_version", "split", "confidence", "baseline", "delta_points", "by", "experiments", "data", "recipe"),
        *("environment", "norms", "pairs", "runs", "warnings", "notes"),
    ]
    gn, ln = document["pairs"]
    assert (gn["a"], gn["b"], gn["n_a"], gn["verdict"]) == ("GN(4)", "BN", 3, "real")
    assert gn["difference_points"] == pytest.approx(-2)
    assert ln["welch_p"] < gn["welch_p"] < 0.05
    assert ln["welch_p_holm"] == pytest.approx(2 * ln["welch_p"])
    assert len(document["runs"]) == 9
    assert document["environment"]["git_commit"] == [None]


@pytest.mark.parametrize("format", ["table", "md", "latex"])
def test_text_holds_both_tables_and_the_verdict(results: Path, format: str) -> None:
    output = invoke("compare", results, "--format", format).stdout
    assert "default: folder data" in output
    assert "real: GN(4) is 2.0" in output
    assert "95" in output


def test_csv_holds_one_table_and_names_the_others(results: Path) -> None:
    result = invoke("compare", results, "--format", "csv")
    assert "--only pairs prints another" in result.stderr
    pairs = list(csv.DictReader(invoke("compare", results, "--format", "csv", "--only", "pairs").stdout.splitlines()))
    assert [(pair["a"], pair["verdict"]) for pair in pairs] == [("GN(4)", "real"), ("LN", "real")]
    metrics = list(
        csv.DictReader(invoke("compare", results, "--format", "csv", "--only", "metrics").stdout.splitlines())
    )
    (accuracy,) = [row for row in metrics if (row["norm"], row["metric"]) == ("BN", "test_accuracy")]
    assert (float(accuracy["min"]), float(accuracy["max"])) == (0.8, 0.802)


def test_by_prints_the_grid_and_the_verdicts_at_each_value(results: Path) -> None:
    for kind, accuracy in (("bn", 0.6), ("gn", 0.78)):
        for seed in range(3):
            run_id = f"{kind}-{seed}-2"
            small = {"config__train__batch_size": 2, "run_id": run_id}
            write_run(results, make_record(kind, seed, accuracy + seed / 1000, **small))
    output = invoke("compare", results, "--by", "train.batch_size").stdout
    assert "accuracy in % by train.batch_size" in output
    assert "60.10 [59.85, 60.35] n=3" in output
    assert "GN(4) - BN at 2 " in output
    assert "real: GN(4) is 18.0" in output
    document = json.loads(invoke("compare", results, "--by", "train.batch_size", "--format", "json").stdout)
    assert document["by"] == "train.batch_size"
    assert {"norm": "BN", "key": "train.batch_size", "value": 2, "n": 3}.items() <= document["grid"][0].items()
    assert document["norms"][0]["train.batch_size"] == 2


def test_strict_refuses_what_is_only_named_otherwise(results: Path) -> None:
    write_run(results, make_record("in", 0, environment__torch="2.14.0"))
    named = invoke("compare", results)
    assert named.exit_code == 0
    assert "environment.torch: 2.15.0 (BN, GN(4), LN), 2.14.0 (IN)" in named.stderr
    refused = invoke("compare", results, "--strict")
    assert isinstance(refused.exception, ConfigError)
    assert refused.exception.exit_code == 2
    assert "environment.torch: 2.15.0 (BN, GN(4), LN), 2.14.0 (IN)" in str(refused.exception)
    assert invoke("compare", results, "--strict", "--where", "environment.torch=2.15.0").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--delta", "0"], "--delta 0: give points"),
        (["--delta", "nan"], "--delta nan: give points"),
        (["--to-accuracy", "0.8"], "--to-accuracy 0.8: give an accuracy in %"),
        (["--only", "grid"], "needs --by"),
        (["--only", "time_to"], "needs --to-accuracy"),
        (["--only", "pairs", "--where", "norm.kind=bn"], "needs two norms"),
    ],
)
def test_what_cannot_be_asked_is_one_sentence(results: Path, arguments: list[str], message: str) -> None:
    result = invoke("compare", results, *arguments)
    assert isinstance(result.exception, ConfigError)
    assert message in str(result.exception)


def test_the_gap_of_running_statistics_is_a_column_where_it_was_measured(results: Path) -> None:
    assert "Eval gap" not in invoke("compare", results).stdout
    for seed in range(3, 5):
        measured = {"running": 0.7, "batch": 0.75 + seed / 100, "precise": 0.74, "batch_size": 64}
        write_run(results, make_record("pn", seed, 0.7, statistics=measured))
    output = invoke("compare", results).stdout
    row = next(line for line in output.splitlines() if line.startswith("PN "))
    assert row.split()[-1] == "-8.50"
    assert "Eval gap: accuracy with the running statistics" in output
    runs = invoke("compare", results, "--only", "runs").stdout
    (last,) = [line for line in runs.splitlines() if line.startswith("PN") and line.split()[1] == "4"]
    assert last.split()[2:] == ["70.00", "0.620", "70.00", "79.00", "74.00", "-9.00", "12.5", "finished"]


def test_a_norm_with_some_unmeasured_runs_shows_no_gap(results: Path) -> None:
    measured = {"running": 0.7, "batch": 0.75, "precise": 0.74, "batch_size": 64}
    write_run(results, make_record("bn", 7, 0.8, statistics=measured))
    assert "Eval gap" not in invoke("compare", results).stdout


def test_mcnemar_needs_predictions_and_says_so(results: Path) -> None:
    runs = sorted((results / "default").iterdir())[:2]
    result = invoke("compare", "--mcnemar", *runs)
    assert isinstance(result.exception, NormbenchError)
    assert "predictions.npz: no such file" in str(result.exception)
