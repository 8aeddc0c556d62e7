"""Runs whose files contradict each other or are no regular files are named, and left out of the comparison."""

import os
from pathlib import Path

import numpy as np
import pytest

from normbench.errors import ConfigError
from normbench.runs.folder import RunFolder
from normbench.runs.read import Contradiction, RecordError, read_predictions, read_record
from normbench.runs.record import Record
from tests.records import make_record
from tests.robustness.record_cases import NUM_IMAGES, write_whole_run
from tests.tiny import invoke


@pytest.fixture
def results(tmp_path: Path) -> Path:
    for seed in range(3):
        write_whole_run(tmp_path, "bn", seed, num_errors=6)
    return tmp_path


def folder_of(results: Path, seed: int) -> Path:
    (folder,) = results.glob(f"default/bn-s{seed}-*")
    return folder


def replace(file: Path, old: str, new: str) -> None:
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))


def test_a_run_whose_files_agree_is_compared(results: Path) -> None:
    result = invoke("compare", results, "--calibration", "--to-accuracy", 50, "--format", "csv")
    assert "left out" not in result.stderr
    assert ",3," in result.stdout


def test_another_accuracy_than_after_the_last_epoch_is_named(results: Path) -> None:
    folder = folder_of(results, 1)
    replace(folder / "run.json", '"test_accuracy": 0.8', '"test_accuracy": 0.9')
    replace(folder / "run.json", '"test_errors": 6', '"test_errors": 3')
    result = invoke("compare", results, "--format", "csv")
    said = "metrics.csv: contradicts the run's record: test_accuracy is 0.8 after the last epoch, 0.9 there"
    assert said in result.stderr.replace("\n", "")
    assert ",2," in result.stdout


def test_another_accuracy_than_that_of_the_predictions_is_named(results: Path) -> None:
    folder = folder_of(results, 1)
    for name, was, is_now in (
        ("run.json", '"test_accuracy": 0.8', '"test_accuracy": 0.9'),
        ("metrics.csv", "0.8,", "0.9,"),
    ):
        replace(folder / name, was, is_now)
    replace(folder / "run.json", '"test_errors": 6', '"test_errors": 3')
    result = invoke("compare", results, "--calibration", "--format", "csv", "--only", "calibration")
    said = result.stderr.replace("\n", "")
    assert "contradicts the run's record: 6 of 30 images of 2 classes are wrong here, 3 of 30 of 2 there" in said
    refused = invoke("compare", "--mcnemar", folder, folder_of(results, 0))
    assert isinstance(refused.exception, Contradiction)


def test_an_accuracy_that_is_not_that_of_the_errors_is_named(results: Path) -> None:
    replace(folder_of(results, 1) / "run.json", '"test_errors": 6', '"test_errors": 9')
    result = invoke("compare", results)
    said = f"contradicts itself: metrics.test_accuracy is 0.8, metrics.test_errors 9 of {NUM_IMAGES} images"
    assert said in result.stderr.replace("\n", "")


def test_what_is_no_file_is_named_and_not_waited_for(results: Path) -> None:
    first, second, third = (folder_of(results, seed) for seed in range(3))
    for path in (first / "run.json", second / "metrics.csv", second / "predictions.npz"):
        path.unlink()
        os.mkfifo(path)
    (third / "a-link").symlink_to("a-link")
    (results / "default" / "tuning.json").symlink_to("/dev/null")
    (results / "default" / "decisions.json").mkdir()
    result = invoke("compare", results, "--calibration", "--to-accuracy", 50, "--format", "csv")
    assert result.exit_code == 0, result.output
    said = " ".join(result.stderr.split())
    for place in (first / "run.json", second / "metrics.csv", second / "predictions.npz"):
        assert str(place) in said.replace(" ", "")
    assert "tuning.json: cannot be read (it is a pipe, a socket or a device, not a file)" in said
    assert "decisions.json: cannot be read (it is a folder, not a file)" in said
    assert ",2," in result.stdout


def test_a_file_without_end_is_not_read_to_its_end(results: Path) -> None:
    folder = RunFolder(folder_of(results, 0))
    with folder.record.open("ab") as file:
        file.truncate(2**40)  # sparse: it takes no room
    with pytest.raises(RecordError, match="larger than"):
        read_record(folder)


def test_arrays_that_unpack_to_more_than_any_run_has_are_not_unpacked(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "predictions.npz", labels=np.zeros(2**25, int), logits=np.zeros((1, 2), np.float16))
    with pytest.raises(RecordError, match="it unpacks to 268,435,"):
        read_predictions(RunFolder(tmp_path), Record.model_validate(make_record()))


def test_numbers_that_are_none_and_depths_without_bottom_are_refused(results: Path) -> None:
    replace(folder_of(results, 0) / "run.json", '"dropout": 0.0', '"dropout": 1e999')
    replace(folder_of(results, 1) / "run.json", '"dropout": 0.0', f'"dropout": {"[" * 300}{"]" * 300}')
    said = invoke("compare", results).stderr
    assert "1e999 is more than a number can be" in said
    assert "nested deeper than 50 levels" in said
    replace(folder_of(results, 2) / "run.json", '"schema_version": 1', '"schema_version": 0')
    refused = invoke("compare", results)
    assert isinstance(refused.exception, ConfigError)
    assert "schema_version 0: this normbench reads 1; train the run again" in str(refused.exception)
