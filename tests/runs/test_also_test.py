"""`data.also_test`: recorded beside the first accuracy, also of a run that is finished already, and compared."""

import json
from pathlib import Path

import numpy as np
import pytest

from normbench.config import DataConfig
from normbench.data.load import load_dataset
from normbench.errors import DataError
from normbench.runs.folder import RunFolder
from normbench.runs.read import RecordError, read_record
from tests.tiny import invoke, make_folder, only_run

ONE = ("train", "--data", "folder", "--epochs", 1, "--batch-size", 16, "--device", "cpu")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("images"), 4, 2)


@pytest.fixture(scope="module")
def place(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The test images as they are, and noise."""
    folder = tmp_path_factory.mktemp("place") / "CIFAR-10-C"
    folder.mkdir()
    test = load_dataset(DataConfig(source="folder", dir=str(images))).test
    as_they_are = test.images.numpy().transpose(0, 2, 3, 1)
    np.save(folder / "labels.npy", test.labels.numpy().astype(np.uint8))
    np.save(folder / "clear.npy", as_they_are)
    np.save(folder / "spatter.npy", np.zeros_like(as_they_are))  # set aside: in no mean
    return folder


@pytest.fixture(scope="module")
def run(images: Path, place: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run that was tested on them."""
    results = tmp_path_factory.mktemp("results")
    done = invoke(*ONE, "--data-dir", images, "--results", results, "--set", f"data.also_test={place}")
    assert done.exit_code == 0, done.output
    assert "on CIFAR-10-C, 6 images; 2 corruptions" in done.output
    return only_run(results)


def test_the_accuracy_is_recorded_beside_the_first(run: RunFolder) -> None:
    record = read_record(run)
    also = record.also_test
    assert also is not None
    assert record.metrics is not None
    assert (also.name, also.num_images) == ("CIFAR-10-C", 6)
    assert also.accuracy == also.by_corruption["clear"] == record.metrics.held_out.accuracy
    black = also.by_corruption["spatter"]  # black images are all taken for one of the three classes
    assert black == pytest.approx(1 / 3)


def test_it_is_a_metric(run: RunFolder) -> None:
    table = invoke("compare", run.path, "--notes")
    assert "Also Acc" in table.stdout
    assert "further test images, CIFAR-10-C" in table.stdout
    assert '"also_test_accuracy' in invoke("compare", run.path, "--format", "json").stdout


def test_a_finished_run_is_tested_without_training_again(
    run: RunFolder, images: Path, place: Path, tmp_path: Path
) -> None:
    command = (*ONE, "--data-dir", images, "--results", tmp_path)
    assert invoke(*command).exit_code == 0
    plain = only_run(tmp_path)
    before = read_record(plain)
    assert plain.path.name == run.path.name  # what else a network is tested on makes no other run
    assert before.also_test is None
    assert "also_test" not in plain.record.read_text()
    again = invoke(*command, "--set", f"data.also_test={place}")
    assert "finished already" in again.stdout
    assert "on CIFAR-10-C" in again.stdout
    assert read_record(plain) == before.model_copy(update={"also_test": read_record(run).also_test})
    plain.record.write_text(json.dumps(before.to_dict()))
    plain.weights.write_bytes(plain.weights.read_bytes()[:100])
    damaged = invoke(*command, "--set", f"data.also_test={place}")
    assert isinstance(damaged.exception, RecordError)
    assert str(plain.weights) in str(damaged.exception)


def test_images_that_cannot_be_tested_on_are_refused_before_training(images: Path, tmp_path: Path) -> None:
    nowhere = f"data.also_test={tmp_path / 'nowhere'}"
    refused = invoke(*ONE, "--data-dir", images, "--results", tmp_path / "results", "--set", nowhere)
    assert isinstance(refused.exception, DataError)
    assert not list(tmp_path.rglob("metrics.csv"))
