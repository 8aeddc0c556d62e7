"""`normbench sweep` through the real entry point, on tiny data."""

import json
import multiprocessing
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from threading import Thread

import pytest

from normbench.errors import ConfigError, DataError, Interrupted, RunError
from normbench.runs.read import RecordError
from tests.tiny import invoke, make_folder

SWEEP = """
extends: default.yaml
name: tiny
data: {source: folder, dir: IMAGES}
train: {epochs: 2, batch_size: 8, precision: fp32}
seeds: [0, 1]
sweep:
  norm: [bn, ln]
"""
TUNE = """
tune: {train.optimizer.lr: [0.01, 0.02], seeds: [7]}
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "tiny.yaml"
    file.write_text(SWEEP.replace("IMAGES", str(make_folder(tmp_path / "images"))))
    return file


def records(folder: Path) -> list[dict]:
    return [json.loads(record.read_text()) for record in sorted(folder.glob("*/run.json"))]


def test_a_sweep_trains_all_runs_and_compares_them(config: Path) -> None:
    result = invoke("sweep", config, "--jobs", 2)
    assert result.exit_code == 0, result.output
    found = records(Path("results/tiny"))
    assert sorted((record["label"], record["seed"]) for record in found) == [
        ("BN", 0),
        ("BN", 1),
        ("LN", 0),
        ("LN", 1),
    ]
    assert {record["status"] for record in found} == {"finished"}
    assert "4/4" in result.output
    assert "Test Acc" in result.output  # the comparison
    plans = json.loads(Path("results/tiny/sweep.json").read_text())["plans"]
    assert plans == [{"axes": {"norm": ["bn", "ln"]}, "runs": plans[0]["runs"]}]
    assert sorted(plans[0]["runs"]) == sorted(record["run_id"] for record in found)
    before = {path: path.stat().st_mtime_ns for path in Path("results").rglob("*") if path.is_file()}
    again = invoke("sweep", config, "--jobs", 2)
    assert again.exit_code == 0, again.output
    assert "4 runs, 4 of them finished" in again.output
    assert "Test Acc" in again.output
    assert {path: path.stat().st_mtime_ns for path in Path("results").rglob("*") if path.is_file()} == before
    document = invoke(
        "sweep", config, "--format", "json", "--baseline", "ln", "--figures", "figures", "--report", "page.html"
    )
    assert document.exit_code == 0, document.exception
    assert Path("figures/seeds.svg").is_file()
    page = Path("page.html").read_text(encoding="utf-8")
    assert page.count("classifies wrongly: ") == 2  # a grid of misclassified images for each norm
    assert "normbench report results/tiny" in page
    assert json.loads(document.stdout)["baseline"] == "LN"
    assert "4 runs, 4 of them finished" in document.stderr


def trained_here(output: str) -> list[str]:
    """The runs that a sweep trained, and did not take from another: of `1/4  BN seed 0  test 40.00%  ...`."""
    lines = [line.split("  ") for line in output.splitlines() if re.match(r"\d/\d  ", line)]
    return [parts[1] for parts in lines if parts[-1] != "finished already"]


def test_one_sweep_together_and_two_sweeps_at_once_make_the_same_files(config: Path) -> None:
    """With dropout: every file of every run but its times. Of two sweeps on one folder each run is trained by one."""
    config.write_text(config.read_text().replace("train:", "model: {dropout: 0.1}\ntrain:"))
    result = invoke("sweep", config, "--jobs", 2, "--together", "lanes", "--results", "lanes")
    assert result.exit_code == 0, result.output
    assert "train together (lanes)" in result.output
    sweep = ("sweep", config, "--jobs", 1, "--together", "off", "--results", "off")
    command = [sys.executable, "-m", "normbench", *map(str, sweep)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        result = invoke(*sweep)
        other, _ = process.communicate(timeout=600)
    assert (result.exit_code, process.returncode) == (0, 0), result.output + other
    trained = trained_here(result.output) + trained_here(other)
    assert sorted(trained) == ["BN seed 0", "BN seed 1", "LN seed 0", "LN seed 1"]
    folders = sorted(record.parent for record in Path("lanes/tiny").glob("*/run.json"))
    assert len(folders) == 4
    for folder in folders:
        other = Path("off/tiny") / folder.name
        assert {file.name for file in folder.iterdir()} == {file.name for file in other.iterdir()}
        for name in ("config.yaml", "model.safetensors", "predictions.npz"):
            assert (folder / name).read_bytes() == (other / name).read_bytes(), name
        ours, theirs = (json.loads((run / "run.json").read_text()) for run in (folder, other))
        for part in ("run_id", "status", "label", "seed", "data", "model", "metrics", "statistics", "precision"):
            assert ours[part] == theirs[part], part


@pytest.mark.parametrize("on", ["slurm", "ray=", "Ray"])
def test_only_ray_is_another_place_to_train(on: str, config: Path) -> None:
    result = invoke("sweep", config, "--on", on)
    assert isinstance(result.exception, ConfigError)
    assert "give ray, or ray=ADDRESS" in str(result.exception)


def test_a_dry_run_trains_nothing(config: Path) -> None:
    result = invoke("sweep", config, "--dry-run")
    assert result.exit_code == 0, result.output
    assert "4 runs" in result.output
    assert "about" in result.output
    assert not Path("results").exists()


def test_what_is_tuned_is_chosen_on_held_out_images_and_said(config: Path) -> None:
    config.write_text(config.read_text() + TUNE)
    result = invoke("sweep", config, "--jobs", 2)
    assert result.exit_code == 0, result.output
    trials = records(Path("results/tiny/tuning"))
    assert len(trials) == 4  # two norms, two values each
    assert {record["data"]["evaluated_on"] for record in trials} == {"val"}
    assert {record["seed"] for record in trials} == {7}
    tuning = json.loads(Path("results/tiny/tuning.json").read_text())
    assert tuning["budget"] == 2
    lr = {best["label"]: best["values"]["train.optimizer.lr"] for best in tuning["chosen"]}
    for best in tuning["chosen"]:
        mine = [trial for trial in trials if trial["label"] == best["label"]]
        scores = {trial["config"]["train"]["optimizer"]["lr"]: trial["metrics"]["val_accuracy"] for trial in mine}
        assert scores[best["values"]["train.optimizer.lr"]] == max(scores.values()) == best["val_accuracy"]
        assert best["on_edge"] == ["train.optimizer.lr"]  # of two values each is
    runs = records(Path("results/tiny"))
    assert len(runs) == 4
    (plan,) = json.loads(Path("results/tiny/sweep.json").read_text())["plans"]
    assert sorted(plan["runs"]) == sorted(run["run_id"] for run in runs)  # as tuned, and no trial
    assert {record["data"]["evaluated_on"] for record in runs} == {"test"}
    for record in runs:
        assert record["config"]["train"]["optimizer"]["lr"] == lr[record["label"]]
    assert "edge of the grid" in result.output


def test_no_norm_may_have_fewer_trials(config: Path) -> None:
    """A trial that fails stops the sweep before anything is chosen."""
    config.write_text(config.read_text() + TUNE)
    invoke("sweep", config, "--jobs", 2, "--dry-run")
    blocked = Path("results/tiny")
    blocked.mkdir(parents=True)
    (blocked / "tuning").write_text("a file where a folder should be")
    result = invoke("sweep", config, "--jobs", 2)
    assert result.exit_code != 0
    assert "4 run(s) failed" in str(result.exception)
    assert not (blocked / "tuning.json").exists()


def test_a_damaged_record_is_no_finished_run(config: Path) -> None:
    """The other runs are trained, and the way out that is named is one."""
    few = ("sweep", config, "--jobs", 1, "--epochs", 1, "--set", "seeds=[0]")
    assert invoke(*few).exit_code == 0
    damaged, lost = sorted(Path("results/tiny").glob("*/run.json"))
    damaged.write_bytes(damaged.read_bytes()[:100])
    lost.unlink()
    result = invoke(*few)
    assert isinstance(result.exception, RunError), result.output
    assert "1 run(s) failed" in str(result.exception)
    assert f"{damaged}: not valid JSON" in str(result.exception)
    assert f"remove {damaged.parent}, or give train --restart" in str(result.exception)
    assert lost.is_file()
    assert len(damaged.read_bytes()) == 100
    shutil.rmtree(damaged.parent)
    assert invoke(*few).exit_code == 0
    assert len(records(Path("results/tiny"))) == 2


def test_a_trial_on_test_images_chooses_nothing(config: Path) -> None:
    """The record of a trial says, as after an edit by hand, that it was evaluated on test images."""
    config.write_text(config.read_text().replace("norm: [bn, ln]", "norm: [bn]") + TUNE)
    tuned = ("sweep", config, "--jobs", 1, "--epochs", 1, "--set", "seeds=[0]")
    assert invoke(*tuned).exit_code == 0
    before = Path("results/tiny/tuning.json").read_bytes()
    trial = next(Path("results/tiny/tuning").glob("*/run.json"))
    trial.write_text(
        trial.read_text().replace('"evaluated_on": "val"', '"evaluated_on": "test"').replace('"val_', '"test_')
    )
    result = invoke(*tuned)
    assert isinstance(result.exception, RecordError), result.output
    assert f"{trial}: is no trial on held-out images: remove {trial.parent}" in str(result.exception)
    assert Path("results/tiny/tuning.json").read_bytes() == before


def test_a_network_over_its_budget_is_refused_before_any_run(config: Path) -> None:
    config.write_text(config.read_text().replace("[bn, ln]", "[bn, ln-chw]"))
    result = invoke("sweep", config)
    assert isinstance(result.exception, ConfigError)
    assert "50,000" in str(result.exception) or "49,999" in str(result.exception)
    assert not Path("results").exists()


def test_missing_data_are_said_before_any_process_starts(config: Path) -> None:
    result = invoke("sweep", config, "--data-dir", "nowhere")
    assert isinstance(result.exception, DataError)
    assert "nowhere" in str(result.exception)


def test_a_diverged_run_is_a_result(config: Path) -> None:
    config.write_text(
        config.read_text().replace("norm: [bn, ln]", "norm: [none]").replace("seeds: [0, 1]", "seeds: [0]")
    )
    result = invoke("sweep", config, "--jobs", 2, "--lr", 1e30, "--set", "train.optimizer.sgd_lr=1e30")
    assert result.exit_code == 0, result.output
    assert "diverged, recorded as such" in result.output
    assert [record["status"] for record in records(Path("results/tiny"))] == ["diverged"]


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_stopped_sweep_keeps_checkpoints_and_goes_on(config: Path) -> None:
    command = [sys.executable, "-m", "normbench", "sweep", str(config), "--jobs", "2", "--epochs", "20"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ)
    deadline = time.monotonic() + 600
    while len(list(Path("results").rglob("checkpoint.safetensors"))) < 2:
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=600)
    assert process.returncode == 130, err
    assert "checkpoint(s) kept" in err
    assert "to go on: normbench sweep" in err
    assert "Traceback" not in out + err
    assert list(Path("results").rglob("checkpoint.safetensors"))
    short = invoke("sweep", config, "--jobs", 2, "--epochs", 20)
    assert short.exit_code == 0, short.output
    assert len(records(Path("results/tiny"))) == 4
    assert any(record["resumed_at_epoch"] for record in records(Path("results/tiny")))
    assert not list(Path("results").rglob("checkpoint.safetensors"))


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_worker_stopped_from_outside_does_not_pass_for_finished(config: Path) -> None:
    """The other runs are trained, the sweep says that it is not complete, and the same command goes on."""
    stopped: list[int] = []

    def stop_one() -> None:
        while not list(Path("results").rglob("checkpoint.safetensors")):
            time.sleep(0.02)
        worker = multiprocessing.active_children()[0]
        worker.terminate()
        stopped.append(worker.pid or 0)

    sweep = ("sweep", config, "--jobs", 1, "--epochs", 6, "--set", "seeds=[0]")
    thread = Thread(target=stop_one, daemon=True)
    thread.start()
    result = invoke(*sweep)
    thread.join(timeout=60)
    assert stopped
    assert isinstance(result.exception, Interrupted), result.output
    assert "stopped with 1 checkpoint(s) kept" in str(result.exception)
    assert "to go on: normbench" in str(result.exception)
    assert "Test Acc" not in result.output
    assert len(records(Path("results/tiny"))) == 1
    again = invoke(*sweep)
    assert again.exit_code == 0, again.output
    assert sorted(bool(record["resumed_at_epoch"]) for record in records(Path("results/tiny"))) == [False, True]
    assert "Test Acc" in again.output
