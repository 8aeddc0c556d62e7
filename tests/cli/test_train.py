"""`normbench train` through the real entry point, on tiny data."""

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file

from normbench.errors import ConfigError, DataError, RunError
from normbench.norms import NORMS
from tests import tiny_cifar10
from tests.tiny import invoke

SMALL = ("--data", "folder", "--epochs", 2, "--batch-size", 8, "--device", "cpu", "--set", "train.precision=fp32")


def train(images: Path, results: Path, *arguments: object):
    return invoke("train", *SMALL, "--data-dir", images, "--results", results, *arguments)


def test_how_a_run_is_drawn_is_settable_and_no_part_of_it(images: Path, tmp_path: Path) -> None:
    sizes = []
    untrained = ("--epochs", 1, "--lr", 1e-9, "--set", "train.optimizer.sgd_lr=1e-9")  # so that most images are wrong
    for number, settings in enumerate(["rows=1", "rows=3"]):
        results = tmp_path / str(number)
        drawn = ("--set", "pictures.columns=2", "--set", f"pictures.{settings}", "--set", "pictures.formats=[png,pdf]")
        assert train(images, results, *untrained, *drawn).exit_code == 0
        with Image.open(only_run(results) / "misclassified.png") as picture:
            sizes.append(picture.size)
    assert only_run(tmp_path / "0").name == only_run(tmp_path / "1").name
    assert (only_run(tmp_path / "0") / "curves.pdf").read_bytes().startswith(b"%PDF")
    assert sizes[0][0] == sizes[1][0]
    assert sizes[1][1] > 1.5 * sizes[0][1]


def only_run(results: Path) -> Path:
    (folder,) = (record.parent for record in results.rglob("run.json"))
    return folder


@pytest.mark.parametrize("norm", [name for name in NORMS if name != "ln-chw"])
def test_each_norm_trains_and_leaves_a_complete_folder(norm: str, images: Path, tmp_path: Path) -> None:
    result = train(images, tmp_path, "--norm", norm)
    assert result.exit_code == 0, result.output
    folder = only_run(tmp_path)
    names = {path.name for path in folder.iterdir()}
    assert names == {
        "config.yaml",
        "metrics.csv",
        "run.json",
        "predictions.npz",
        "model.safetensors",
        "curves.png",
        "misclassified.png",
    }
    record = json.loads((folder / "run.json").read_text())
    assert record["status"] == "finished"
    assert sum(record["model"]["norm_layers"].values()) == (0 if norm == "none" else 8)
    rows = list(csv.DictReader((folder / "metrics.csv").read_text().splitlines()))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert float(rows[-1]["test_accuracy"]) == pytest.approx(record["metrics"]["test_accuracy"], rel=1e-5)
    if norm in ("bn", "gbn", "pn"):
        assert record["statistics"]["running"] == record["metrics"]["test_accuracy"]
        assert record["statistics"]["batch_size"] == 8
    else:
        assert record["statistics"] is None


def test_the_record_agrees_with_the_predictions_and_the_weights(images: Path, tmp_path: Path) -> None:
    train(images, tmp_path, "--norm", "gn")
    folder = only_run(tmp_path)
    record = json.loads((folder / "run.json").read_text())
    with np.load(folder / "predictions.npz") as predictions:
        logits, labels = predictions["logits"].astype(np.float64), predictions["labels"]
    assert record["metrics"]["test_errors"] == (logits.argmax(axis=1) != labels).sum()
    shifted = logits - logits.max(axis=1, keepdims=True)
    losses = np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(labels)), labels]
    assert record["metrics"]["test_loss"] == pytest.approx(losses.mean(), rel=1e-9)
    assert (
        sum(array.size for array in load_file(folder / "model.safetensors").values())
        == (record["model"]["num_parameters"])
    )


def test_the_written_config_gives_the_same_run(images: Path, tmp_path: Path) -> None:
    train(images, tmp_path / "a", "--norm", "gn", "--seed", 3)
    first = only_run(tmp_path / "a")
    result = invoke("train", "--config", first / "config.yaml", "--results", tmp_path / "b", "--device", "cpu")
    assert result.exit_code == 0, result.output
    second = only_run(tmp_path / "b")
    assert second.name == first.name
    for name in ("model.safetensors", "config.yaml"):
        assert (first / name).read_bytes() == (second / name).read_bytes()


def test_the_official_batch_format(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files, _, _ = tiny_cifar10.batch_files()
    archive = tiny_cifar10.packed(files)
    tiny_cifar10.pretend(monkeypatch, files, archive)
    (tmp_path / "cifar-10-python.tar.gz").write_bytes(archive)
    result = invoke("train", *SMALL, "--data", "cifar10", "--data-dir", tmp_path, "--results", tmp_path / "results")
    assert result.exit_code == 0, result.output
    data = json.loads((only_run(tmp_path / "results") / "run.json").read_text())["data"]
    assert (data["source"], data["num_train"], data["num_eval"]) == ("cifar10", 100, 20)
    assert data["classes"] == list(tiny_cifar10.NAMES)


def test_a_finished_run_is_left_alone_unless_restarted(images: Path, tmp_path: Path) -> None:
    train(images, tmp_path)
    record = only_run(tmp_path) / "run.json"
    before = record.stat().st_mtime_ns
    again = train(images, tmp_path)
    assert again.exit_code == 0
    assert "finished already" in again.output
    assert record.stat().st_mtime_ns == before
    assert train(images, tmp_path, "--restart").exit_code == 0
    assert record.stat().st_mtime_ns != before


def test_a_diverged_run_is_recorded_and_exits_4(images: Path, tmp_path: Path) -> None:
    result = train(images, tmp_path, "--norm", "none", "--set", "train.optimizer=sgd", "--lr", 1e9)
    assert isinstance(result.exception, RunError)
    assert "diverged" in str(result.exception)
    folder = only_run(tmp_path)
    record = json.loads((folder / "run.json").read_text())
    assert record["status"] == "diverged"
    assert record["metrics"]["test_accuracy"] is None
    assert not (folder / "checkpoint.safetensors").exists()


def test_validation_images_come_from_the_training_set(images: Path, tmp_path: Path) -> None:
    result = train(images, tmp_path, "--set", "data.evaluate_on=val")
    assert result.exit_code == 0, result.output
    record = json.loads((only_run(tmp_path) / "run.json").read_text())
    assert (record["data"]["num_train"], record["data"]["num_eval"]) == (45, 3)  # one of each class
    assert record["data"]["num_eval_in_train"] == 0
    assert "val_accuracy" in record["metrics"]
    assert "test_accuracy" not in record["metrics"]


def test_ln_chw_is_refused_with_its_arithmetic_before_data_are_read(tmp_path: Path) -> None:
    (tmp_path / "no data here").mkdir()
    result = train(tmp_path / "no data here", tmp_path, "--norm", "ln-chw")
    assert isinstance(result.exception, ConfigError)
    message = str(result.exception)
    assert "149,504" in message
    assert "32,768" in message
    assert "affine: false" in message


def test_groups_that_do_not_divide_are_answered_with_those_that_do(images: Path, tmp_path: Path) -> None:
    result = train(images, tmp_path, "--norm", "gn", "--groups", 5)
    assert isinstance(result.exception, ConfigError)
    assert "1, 2, 4, 8, 16" in str(result.exception)


def test_a_run_without_kernels_says_why(images: Path, tmp_path: Path) -> None:
    arguments = command("train", *SMALL, "--epochs", 1, "--data-dir", images, "--results", tmp_path)
    run = subprocess.run(arguments, capture_output=True, text=True, check=True, env=os.environ | {"CXX": ""})
    assert "kernels  off: CXX is empty" in run.stdout


def test_missing_data_is_one_message(tmp_path: Path) -> None:
    result = train(tmp_path / "nowhere", tmp_path)
    assert isinstance(result.exception, DataError)
    assert "nowhere" in str(result.exception)


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "normbench", *map(str, arguments)]


@pytest.mark.parametrize(  # what the norms store between steps: an average, a schedule, nothing
    ("norm", "stop"), [("bn", signal.SIGINT), ("brn", signal.SIGTERM), ("pn", signal.SIGINT)]
)
def test_a_signal_keeps_a_checkpoint_and_the_run_goes_on_to_the_same_bits(
    norm: str, stop: signal.Signals, images: Path, tmp_path: Path
) -> None:
    options = ("--norm", norm, "--epochs", 6, "--set", "model.dropout=0.1")
    if norm == "brn":  # the schedule moves within the few steps
        options = (*options, "--set", "norm.warmup_steps=2", "--set", "norm.r_steps=30", "--set", "norm.d_steps=30")
    undisturbed = train(images, tmp_path / "a", *options)
    assert undisturbed.exit_code == 0, undisturbed.output

    arguments = command("train", *SMALL, "--data-dir", images, *options, "--results", tmp_path / "b")
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("epoch"):
            break
    process.send_signal(stop)
    _, errors = process.communicate(timeout=600)
    assert process.returncode == 130, errors
    assert "to go on: normbench train" in errors
    assert "Traceback" not in errors
    assert not list((tmp_path / "b").rglob("run.json"))
    assert list((tmp_path / "b").rglob("checkpoint.safetensors"))

    resumed = train(images, tmp_path / "b", *options)
    assert resumed.exit_code == 0, resumed.output
    assert "resumed" in resumed.output
    one, two = only_run(tmp_path / "a"), only_run(tmp_path / "b")
    assert (one / "model.safetensors").read_bytes() == (two / "model.safetensors").read_bytes()
    with np.load(one / "predictions.npz") as a, np.load(two / "predictions.npz") as b:
        assert np.array_equal(a["logits"], b["logits"])
    assert not (two / "checkpoint.safetensors").exists()
