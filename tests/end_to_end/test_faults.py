"""Disks, memory, data and clocks that fail: no run is lost or wrong, and one sentence says what to do."""

import errno
import json
import os
import shutil
import tempfile
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from normbench.cli import main as cli
from normbench.errors import ConfigError, DataError, RunError
from normbench.runs import build_record, stages
from normbench.runs.folder import RunFolder
from normbench.runs.read import RecordError
from normbench.train.checkpoint import from_bytes, to_bytes
from tests import tiny_cifar10
from tests.robustness.entry import run_main
from tests.tiny import full_at, invoke, make_folder, stopped_before_the_end

SMALL = ("--data", "folder", "--epochs", 3, "--batch-size", 8, "--device", "cpu", "--set", "train.precision=fp32")
LIMIT_S = 60.0
BITS = ("model.safetensors", "predictions.npz", "config.yaml")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def own_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NORMBENCH_CACHE", str(cache))


def train(images: Path, results: Path, *arguments: object):
    return invoke("train", *SMALL, "--data-dir", images, "--results", results, *arguments)


def only_run(results: Path) -> RunFolder:
    (config,) = results.rglob("config.yaml")
    return RunFolder(config.parent)


@pytest.fixture(scope="module")
def undisturbed(images: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    results = tmp_path_factory.mktemp("undisturbed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NORMBENCH_CACHE", str(cache))
        assert train(images, results).exit_code == 0
    return only_run(results)


def assert_same(run: RunFolder, other: RunFolder) -> None:
    for name in BITS:
        assert (run.path / name).read_bytes() == (other.path / name).read_bytes(), name
    assert {path.name for path in run.path.iterdir()} == {path.name for path in other.path.iterdir()}


def test_the_disk_is_full_at_each_file_in_turn(images: Path, undisturbed: RunFolder, tmp_path: Path) -> None:
    names = sorted(path.name for path in undisturbed.path.iterdir())
    assert len(names) == 7
    for name in ("config.yaml", "checkpoint.pt", "checkpoint.previous.pt", *names):
        with pytest.MonkeyPatch.context() as patch:
            full_at(name, patch)
            result = train(images, tmp_path)
        assert isinstance(result.exception, RunError), name
        assert "the disk is full (No space left on device): make room, and the same" in str(result.exception)
        assert not list(tmp_path.rglob("*.tmp"))
        assert not list(tmp_path.rglob("run.json"))
    assert train(images, tmp_path).exit_code == 0
    assert_same(only_run(tmp_path), undisturbed)


DAMAGE = {
    "cut off": lambda content: content[: len(content) // 2],
    "a bit": lambda content: content[:-40_000] + bytes([content[-40_000] ^ 1]) + content[-39_999:],
    "empty": lambda content: b"",
    "of an older version": lambda content: content[:-32],
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_checkpoint_falls_back_and_says_so(
    damage: str, images: Path, undisturbed: RunFolder, tmp_path: Path
) -> None:
    run = stopped_before_the_end(*SMALL, "--data-dir", images, results=tmp_path)
    run.checkpoint.write_bytes(DAMAGE[damage](run.checkpoint.read_bytes()))
    both = damage == "a bit"
    if both:
        run.previous_checkpoint.write_bytes(DAMAGE[damage](run.previous_checkpoint.read_bytes()))
    result = train(images, tmp_path)
    assert result.exit_code == 0, result.output
    assert f"{run.checkpoint} is damaged (cut off, changed, or written by another version" in result.stderr
    assert ("starting from the beginning" if both else "going on from the checkpoint before it") in result.stderr
    assert ("resumed  in epoch 3 after 0 steps" in result.stdout) is not both
    assert_same(run, undisturbed)


def test_a_checkpoint_of_another_network_is_not_trained_on(
    images: Path, undisturbed: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after an update of normbench that changed it."""
    run = stopped_before_the_end(*SMALL, "--data-dir", images, results=tmp_path)
    build = stages.build_optimizer

    def older(config: Any, model: torch.nn.Module) -> torch.optim.Optimizer:
        optimizer = build(config, model)
        optimizer.param_groups[0]["a new one"] = 1
        return optimizer

    monkeypatch.setattr(stages, "build_optimizer", older)
    result = train(images, tmp_path)
    assert result.exit_code == 0, result.output
    assert "is damaged (its optimizer has other options)" in result.stderr
    assert "starting from the beginning" in result.stderr
    assert_same(run, undisturbed)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"run": "bn-s1-12345678"}, "it is of another run, bn-s1-12345678"),  # whose weights have the same shapes
        ({"fingerprint": 5}, "it does not say which data it was trained on"),
    ],
)
def test_a_checkpoint_from_elsewhere_is_not_trained_on(
    changes: dict[str, Any], said: str, images: Path, undisturbed: RunFolder, tmp_path: Path
) -> None:
    run = stopped_before_the_end(*SMALL, "--data-dir", images, results=tmp_path)
    for file in (run.checkpoint, run.previous_checkpoint):
        checkpoint = from_bytes(file.read_bytes(), torch.device("cpu"))
        file.write_bytes(to_bytes(replace(checkpoint, **changes)))
    result = train(images, tmp_path)
    assert result.exit_code == 0, result.output
    assert f"{run.checkpoint} is damaged ({said})" in result.stderr
    assert "starting from the beginning" in result.stderr
    assert_same(run, undisturbed)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nMore"), "--batch-size 4"),
        (RuntimeError("[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory"), "--jobs"),
        (MemoryError(), "MemoryError"),
    ],
)
def test_too_little_memory_suggests_a_smaller_batch(
    error: Exception, said: str, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("normbench.train.steppers.train_epoch", fail)
    result = train(images, tmp_path)
    assert isinstance(result.exception, RunError)
    message = str(result.exception)
    assert message.startswith("out of memory on this machine with batch size 8")
    assert said in message
    assert "More" not in message


def test_data_that_changed_or_went_away_lose_no_run(images: Path, undisturbed: RunFolder, tmp_path: Path) -> None:
    own = tmp_path / "images"
    shutil.copytree(images, own)  # with the times of its files
    run = stopped_before_the_end(*SMALL, "--data-dir", own, results=tmp_path / "results")
    changed = next(own.rglob("*.png"))
    before = changed.read_bytes(), changed.stat()
    Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(changed)
    kept = run.checkpoint.read_bytes()
    result = train(own, tmp_path / "results")
    assert isinstance(result.exception, DataError)
    assert "the data have changed since this run was begun" in str(result.exception)
    assert "--restart" in str(result.exception)
    own.rename(tmp_path / "moved")
    assert isinstance(train(own, tmp_path / "results").exception, DataError)
    assert run.checkpoint.read_bytes() == kept

    (tmp_path / "moved").rename(own)
    changed.write_bytes(before[0])
    os.utime(changed, ns=(before[1].st_atime_ns, before[1].st_mtime_ns))
    assert train(own, tmp_path / "results").exit_code == 0
    assert (run.weights.read_bytes(), run.predictions.read_bytes()) == (
        undisturbed.weights.read_bytes(),
        undisturbed.predictions.read_bytes(),
    )
    shutil.rmtree(own)
    assert "finished already" in train(own, tmp_path / "results").stdout


def test_a_finished_run_is_no_answer_for_other_data(images: Path, undisturbed: RunFolder, tmp_path: Path) -> None:
    """The same images in another folder are the same data, other images in the same folder are not."""
    own, results = tmp_path / "images", tmp_path / "results"
    shutil.copytree(images, own)
    run = RunFolder(shutil.copytree(undisturbed.path, results / "default" / undisturbed.path.name))
    command = ("train", *SMALL, "--data-dir", own, "--results", results)
    again = run_main(command, LIMIT_S)
    assert (again.code, again.stderr.count("note:")) == (0, 0)
    assert "finished already" in again.stdout

    next(own.rglob("test/*/*.png")).unlink()
    refused = run_main(command, LIMIT_S)
    assert refused.code == 3
    assert refused.stdout == ""
    said = refused.stderr.splitlines()[-1]
    assert said.startswith(f"normbench: {run.path}: this run was finished on other data (fingerprint ")
    for way in ("give the same data again", "normbench train --restart", "another --results"):
        assert way in said
    assert_same(run, undisturbed)
    assert run.record.read_bytes() == undisturbed.record.read_bytes()

    assert train(own, results, "--restart").exit_code == 0
    assert json.loads(run.record.read_text())["data"]["num_eval"] == 23
    assert "finished already" in train(own, results).stdout


def test_a_result_is_shown_without_its_data(images: Path, undisturbed: RunFolder, tmp_path: Path) -> None:
    shutil.copytree(undisturbed.path, tmp_path / "default" / undisturbed.path.name)
    result = train(tmp_path / "nowhere", tmp_path)
    assert result.exit_code == 0, result.output
    assert "finished already" in result.stdout
    assert f"is not known: {tmp_path / 'nowhere'}: no folder 'train' in it" in " ".join(result.stderr.split())
    assert result.stderr.startswith("note: ")


def test_a_result_of_the_official_images_needs_no_download(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files, _, _ = tiny_cifar10.batch_files(per_batch=4)
    archive = tiny_cifar10.packed(files)
    tiny_cifar10.pretend(monkeypatch, files, archive)
    command = ("train", "--data", "cifar10", *SMALL[2:], "--epochs", 1, "--results", tmp_path / "results")
    assert invoke(*command, "--data-dir", tiny_cifar10.write_archive(tmp_path, archive)).exit_code == 0
    monkeypatch.setenv("NORMBENCH_CACHE", str(tmp_path / "empty"))
    again = invoke(*command)
    assert again.exit_code == 0, again.output
    assert "finished already" in again.stdout
    assert again.stderr == ""


def test_a_damaged_record_is_not_taken_for_a_result(images: Path, undisturbed: RunFolder, tmp_path: Path) -> None:
    run = RunFolder(shutil.copytree(undisturbed.path, tmp_path / "default" / undisturbed.path.name))
    run.record.write_bytes(run.record.read_bytes()[:100])
    result = train(images, tmp_path)
    assert isinstance(result.exception, RecordError)
    assert "not valid JSON" in str(result.exception)
    assert f"remove {run.path}, or give train --restart" in str(result.exception)
    assert train(images, tmp_path, "--restart").exit_code == 0
    assert_same(run, undisturbed)


def test_the_record_of_another_run_is_no_answer(images: Path, undisturbed: RunFolder, tmp_path: Path) -> None:
    """As after a folder was renamed."""
    named = undisturbed.path.name.replace("bn-s0-", "bn-s1-")
    run = RunFolder(shutil.copytree(undisturbed.path, tmp_path / "default" / named))
    result = train(images, tmp_path, "--seed", 1)
    assert isinstance(result.exception, RecordError)
    assert f"{run.record}: is the record of another run, {undisturbed.path.name}" in str(result.exception)
    assert_same(run, undisturbed)


def test_a_clock_that_goes_backwards_spoils_nothing(
    images: Path, undisturbed: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Backwards:
        hours = 0

        @classmethod
        def now(cls, zone: Any) -> datetime:
            cls.hours -= 1
            return datetime.now(zone) + timedelta(hours=cls.hours)

    for module in (stages, build_record):
        monkeypatch.setattr(module, "datetime", Backwards)
    assert train(images, tmp_path).exit_code == 0
    run = only_run(tmp_path)
    assert_same(run, undisturbed)
    written = json.loads(run.record.read_text())
    assert written["finished_at"] < written["started_at"]
    assert all(seconds > 0 for seconds in written["timing"].values())
    assert invoke("compare", tmp_path).exit_code == 0


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), 4, "the output: the disk is full"),
        (OSError(errno.EROFS, "Read-only file system", "/x"), 2, "/x: cannot be written"),
        (ImportError("libx.so: failed to map segment from shared object"), 4, "out of memory"),
        (MemoryError(), 4, "out of memory"),
        (KeyboardInterrupt(), 130, "stopped"),
        (ZeroDivisionError("division by zero"), 1, "this is a bug in normbench; please report it with"),
    ],
)
def test_resource_error_is_no_bug(
    error: BaseException,
    code: int,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Wherever it strikes."""

    def fail(**_: object) -> None:
        raise error

    monkeypatch.setattr(cli, "app", fail)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == code
    shown = capsys.readouterr().err
    assert f"normbench: {said}" in shown
    assert "Traceback" not in shown
    assert len(list(tmp_path.iterdir())) == (code == 1)  # its traceback


def test_a_bug_on_a_full_disk_is_shown(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def fail(**_: object) -> None:
        raise ZeroDivisionError

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(cli, "app", fail)
    monkeypatch.setattr(tempfile, "NamedTemporaryFile", full)
    with pytest.raises(SystemExit):
        cli.main()
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_results_that_cannot_be_written_are_a_matter_of_the_command(images: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = train(images, tmp_path / "file")
    assert isinstance(result.exception, ConfigError)
    assert f"{tmp_path / 'file'}" in str(result.exception)
    assert "cannot be written" in str(result.exception)
