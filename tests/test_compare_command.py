"""`normbench compare` and `normbench summary` through the real entry point."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

from normbench.errors import ConfigError
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


@pytest.mark.parametrize("norm", ["bn", "gn", "ln", "ln-chw", "in", "none"])
def test_summary_of_each_norm_needs_no_data(norm: str) -> None:
    result = invoke("summary", "--norm", norm, "--format", "json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert sum(found["norm_layers"].values()) == (0 if norm == "none" else 8)
    assert found["num_parameters"] == {"ln-chw": 189_482, "none": 39_978}.get(norm, 40_394)
    assert found["fits_budget"] == (norm != "ln-chw")
    assert len(found["layers"]) == 40


def test_summary_prints_torchsummarys_table_and_what_it_leaves_out() -> None:
    output = invoke("summary", "--norm", "gn").stdout
    assert "         GroupNorm-2           [-1, 16, 32, 32]              32" in output
    assert "Total params: 40,394" in output
    for text in ("11,141,440", "whole image", "416 of the 40,394", "40,394 of 49,999"):
        assert text in output


def test_an_unknown_norm_is_answered_with_the_nearest() -> None:
    result = invoke("summary", "--norm", "gm")
    assert isinstance(result.exception, ConfigError)
    assert "did you mean 'gn'" in str(result.exception)
    assert "--norm gm" in str(result.exception)
