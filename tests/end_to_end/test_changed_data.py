"""Data or records that changed, went away or belong to another run are never taken for a result."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from normbench.errors import DataError
from normbench.runs.folder import RunFolder
from normbench.runs.read import RecordError
from tests import tiny_cifar10
from tests.robustness.entry import run_main
from tests.tiny import SMALL, assert_same_bits, invoke, stopped_before_the_end, train_small

LIMIT_S = 60.0


def test_data_that_changed_or_went_away_lose_no_run(images: Path, undisturbed: RunFolder, tmp_path: Path) -> None:
    own = tmp_path / "images"
    shutil.copytree(images, own)  # with the times of its files
    run = stopped_before_the_end(*SMALL, "--data-dir", own, results=tmp_path / "results")
    changed = next(own.rglob("*.png"))
    before = changed.read_bytes(), changed.stat()
    Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(changed)
    kept = run.checkpoint.read_bytes()
    result = train_small(own, tmp_path / "results")
    assert isinstance(result.exception, DataError)
    assert "the data have changed since this run was begun" in str(result.exception)
    assert "--restart" in str(result.exception)
    own.rename(tmp_path / "moved")
    assert isinstance(train_small(own, tmp_path / "results").exception, DataError)
    assert run.checkpoint.read_bytes() == kept

    (tmp_path / "moved").rename(own)
    changed.write_bytes(before[0])
    os.utime(changed, ns=(before[1].st_atime_ns, before[1].st_mtime_ns))
    assert train_small(own, tmp_path / "results").exit_code == 0
    assert (run.weights.read_bytes(), run.predictions.read_bytes()) == (
        undisturbed.weights.read_bytes(),
        undisturbed.predictions.read_bytes(),
    )
    assert "finished already" in train_small(own, tmp_path / "results").stdout


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
    assert_same_bits(run, undisturbed)
    assert run.record.read_bytes() == undisturbed.record.read_bytes()

    assert train_small(own, results, "--restart").exit_code == 0
    assert json.loads(run.record.read_text())["data"]["num_eval"] == 23
    assert "finished already" in train_small(own, results).stdout


@pytest.mark.parametrize("place", ["nowhere", "default"])
def test_a_result_is_no_answer_for_data_that_cannot_be_read(place: str, undisturbed: RunFolder, tmp_path: Path) -> None:
    """Nor for a place that is mistyped, or is another folder."""
    run = RunFolder(shutil.copytree(undisturbed.path, tmp_path / "default" / undisturbed.path.name))
    result = train_small(tmp_path / place, tmp_path)
    assert isinstance(result.exception, DataError)
    assert str(tmp_path / place) in str(result.exception)
    assert "normbench compare" in str(result.exception)
    assert_same_bits(run, undisturbed)


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
    result = train_small(images, tmp_path)
    assert isinstance(result.exception, RecordError)
    assert "not valid JSON" in str(result.exception)
    assert f"remove {run.path}, or give train --restart" in str(result.exception)
    assert train_small(images, tmp_path, "--restart").exit_code == 0
    assert_same_bits(run, undisturbed)


def test_the_record_of_another_run_is_no_answer(images: Path, undisturbed: RunFolder, tmp_path: Path) -> None:
    """The folder has the name of another run, as after the user renamed it."""
    named = undisturbed.path.name.replace("bn-s0-", "bn-s1-")
    run = RunFolder(shutil.copytree(undisturbed.path, tmp_path / "default" / named))
    result = train_small(images, tmp_path, "--seed", 1)
    assert isinstance(result.exception, RecordError)
    assert f"{run.record}: is the record of another run, {undisturbed.path.name}" in str(result.exception)
    assert_same_bits(run, undisturbed)
