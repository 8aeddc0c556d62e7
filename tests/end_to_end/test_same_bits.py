"""The same config, seed and machine give the same bits on the CPU; what changes them is recorded and compared."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from normbench.errors import ConfigError, DataError
from normbench.runs.folder import find_runs
from tests.tiny import invoke, make_folder, stopped_before_the_end

SWEEP = """
extends: default.yaml
name: tiny
data: {source: folder, dir: IMAGES}
train: {epochs: 1, batch_size: 8, precision: fp32}
sweep: {norm: [bn, gn]}
"""
TINY = ("--data", "folder", "--epochs", 1, "--batch-size", 8, "--device", "cpu", "--set", "train.precision=fp32")


@pytest.fixture
def own_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of images that a test may change, in the working directory."""
    monkeypatch.chdir(tmp_path)
    return make_folder(tmp_path / "images")


@pytest.fixture
def sweep(own_images: Path) -> Path:
    file = own_images.parent / "tiny.yaml"
    file.write_text(SWEEP.replace("IMAGES", str(own_images)))
    return file


def records(results: str | Path) -> dict[str, dict[str, Any]]:
    return {run.path.name: json.loads(run.record.read_text()) for run in find_runs([Path(results)])}


def bits(results: str) -> dict[str, bytes]:
    runs = find_runs([Path(results)])
    return {run.path.name: run.weights.read_bytes() + run.predictions.read_bytes() for run in runs}


def test_the_number_of_runs_at_a_time_changes_no_bit(sweep: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda process: {0, 1, 2, 3})
    for jobs in (1, 2):
        result = invoke("sweep", sweep, "--jobs", jobs, "--results", str(jobs))
        assert result.exit_code == 0, result.output
    assert len(bits("1")) == 2
    assert bits("1") == bits("2")
    assert {record["environment"]["threads"] for record in records("1").values()} == {1}
    config = next(run.config for run in find_runs([Path("1")]) if run.path.name.startswith("bn"))
    threads = torch.get_num_threads()
    assert invoke("train", "--config", config, "--results", "alone", "--threads", 1, "--device", "cpu").exit_code == 0
    assert bits("alone").items() <= bits("1").items()
    assert torch.get_num_threads() == threads


def test_a_run_goes_on_with_its_threads_and_records_what_changed(
    own_images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = stopped_before_the_end(*TINY, "--data-dir", own_images, "--threads", 2, results=Path("results"))
    with monkeypatch.context() as patch:
        patch.setattr(torch, "__version__", "1.0")
        command = ("train", "--config", run.config, "--device", "cpu", "--threads", 1)
        result = invoke(*command)
    assert result.exit_code == 0, result.output
    assert "threads: 2 as the run was begun, not 1" in result.stderr
    assert f"torch {torch.__version__}, now 1.0" in result.stderr
    record = records("results")[run.path.name]
    assert record["environment"]["threads"] == 2
    assert record["environment"]["torch"] == "1.0"
    assert record["environment_changes"] == {"torch": [str(torch.__version__), "1.0"]}
    shown = invoke("compare", "results")
    assert f"environment.torch: {torch.__version__} then 1.0 (BN)" in shown.stdout.replace("\n", " ")
    assert isinstance(invoke("compare", "results", "--strict").exception, ConfigError)


def test_a_sweep_does_not_mix_data(sweep: Path, own_images: Path) -> None:
    assert invoke("sweep", sweep, "--set", "sweep.norm=[bn]", "--jobs", 1).exit_code == 0
    before = records("results")
    next(own_images.rglob("*.png")).unlink()
    result = invoke("sweep", sweep, "--jobs", 1)
    assert isinstance(result.exception, DataError)
    assert "finished on other data" in str(result.exception)
    assert "another --results" in str(result.exception)
    assert records("results") == before
