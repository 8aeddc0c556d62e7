"""What is read from predictions.npz and metrics.csv: calibration, classes, time to an accuracy, McNemar's test."""

from pathlib import Path

import numpy as np
import pytest

from normbench.analysis.compare.compare import Comparison
from normbench.analysis.compare.load import compare_runs
from normbench.analysis.compare.predictions import (
    class_accuracies,
    expected_calibration_error,
    negative_log_likelihood,
    predicted,
)
from normbench.analysis.compare.time_to import time_to
from normbench.analysis.compare.two_runs import compare_two
from normbench.errors import ConfigError
from normbench.present.tables.time_to import time_to_table
from normbench.runs.folder import RecordError, RunFolder
from normbench.runs.read import read_predictions
from tests.records import make_diverged, make_record, write_run

LABELS = np.array([0, 0, 1, 1])
CONFIDENT = np.log(np.array([[0.9, 0.1], [0.9, 0.1], [0.9, 0.1], [0.3, 0.7]]))  # the third is wrong


def write(folder: Path, logits: np.ndarray = CONFIDENT, labels: np.ndarray = LABELS) -> None:
    np.savez_compressed(RunFolder(folder).predictions, labels=labels, logits=logits.astype(np.float16))


def small(kind: str = "bn", seed: int = 0, **changes: object) -> dict:
    """A record of a run that had one of four images wrong."""
    return make_record(kind, seed, accuracy=0.75, data__num_eval=4, **changes)


def test_calibration_error_by_hand() -> None:
    # Bins: three images at 0.9 with accuracy 2/3, one at 0.7 with accuracy 1.
    expected = 3 / 4 * abs(2 / 3 - 0.9) + 1 / 4 * abs(1 - 0.7)
    assert expected_calibration_error(LABELS, CONFIDENT) == pytest.approx(expected)


def test_an_upper_edge_belongs_to_its_bin() -> None:
    # Confidences 0.5 and 0.4 in (0.4, 0.6] and (0.2, 0.4] of five bins: together they would give |0.5 - 0.45|.
    logits = np.log(np.array([[0.5, 0.3, 0.2], [0.4, 0.3, 0.3]]))
    assert expected_calibration_error(np.array([0, 1]), logits, num_bins=5) == pytest.approx(0.25 + 0.2)


def test_certain_and_right_is_calibrated() -> None:
    logits = np.array([[1000.0, 0.0], [0.0, 1000.0]])
    assert expected_calibration_error(np.array([0, 1]), logits) == 0
    assert negative_log_likelihood(np.array([0, 1]), logits) == 0


def test_negative_log_likelihood_and_classes_by_hand() -> None:
    expected = -np.log([0.9, 0.9, 0.1, 0.7]).mean()
    assert negative_log_likelihood(LABELS, CONFIDENT) == pytest.approx(expected)
    assert class_accuracies(LABELS, CONFIDENT) == [1.0, 0.5]
    assert class_accuracies(np.array([1]), CONFIDENT[3:]) == [None, 1.0]


def test_missing_and_damaged_predictions_are_named_and_left_out(tmp_path: Path) -> None:
    for seed in range(4):
        folder = write_run(tmp_path, small("bn", seed))
        if seed != 2:
            write(folder)
    (folder / "predictions.npz").write_bytes(b"PK\x03\x04 not a zip")
    comparison, _ = compare_runs([tmp_path])
    (bn,), notes = predicted(comparison.rows)
    assert bn.n == 2
    assert bn.calibration_error.mean == pytest.approx(0.25, abs=0.001)  # float16
    assert [estimate and estimate.mean for estimate in bn.per_class] == [1.0, 0.5]
    assert len(notes) == 2
    assert "bn-s3" in notes[0]
    assert "no predictions, left out: 1 run" in notes[1]
    assert "bn-s2" in notes[1]


def test_predictions_of_another_data_set_are_refused(tmp_path: Path) -> None:
    write(write_run(tmp_path, make_record("bn")))
    comparison, _ = compare_runs([tmp_path])
    (bn,), (note,) = predicted(comparison.rows)
    assert bn.n == 0
    assert bn.calibration_error.why_undefined == "no run with predictions"
    assert "1 of 4 images of 2 classes are wrong here, 2,000 of 10,000 of 2 there" in note


@pytest.mark.parametrize(
    "content",
    [
        {"labels": LABELS},
        {"labels": LABELS, "logits": CONFIDENT[:3]},
        {"labels": LABELS + 1, "logits": CONFIDENT},
        {"labels": LABELS.astype(float), "logits": CONFIDENT},
        {"labels": LABELS, "logits": CONFIDENT * np.nan},
        {"labels": LABELS, "logits": np.array([object()] * 4)},
        {"labels": LABELS[:0], "logits": CONFIDENT[:0]},
    ],
)
def test_arrays_that_are_no_predictions_are_refused(tmp_path: Path, content: dict) -> None:
    np.savez(tmp_path / "predictions.npz", **content)
    with pytest.raises(RecordError, match=r"predictions\.npz"):
        read_predictions(RunFolder(tmp_path), small())


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"hello", b"PK\x05\x06"])
def test_files_that_are_no_predictions_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "predictions.npz").write_bytes(content)
    with pytest.raises(RecordError, match=r"predictions\.npz"):
        read_predictions(RunFolder(tmp_path), small())


def write_epochs(folder: Path, accuracies: list[float]) -> None:
    rows = [f"{epoch},{accuracy},{10 * epoch}" for epoch, accuracy in enumerate(accuracies, 1)]
    (folder / "metrics.csv").write_text("\n".join(["epoch,test_accuracy,train_s", *rows]) + "\n")


def with_epochs(tmp_path: Path, of_runs: list[list[float]], diverged: int = 0) -> Comparison:
    for seed, accuracies in enumerate(of_runs):
        record = make_record("bn", seed, accuracies[-1], config__train__epochs=len(accuracies))
        write_epochs(write_run(tmp_path, record), accuracies)
    for number in range(diverged):
        write_run(tmp_path, make_diverged("bn", 100 + number, config__train__epochs=len(accuracies)))
    return compare_runs([tmp_path])[0]


def test_the_first_epoch_at_the_accuracy_counts_and_its_seconds_add_up(tmp_path: Path) -> None:
    comparison = with_epochs(tmp_path, [[0.5, 0.8, 0.7], [0.5, 0.6, 0.9], [0.8, 0.8, 0.8]])
    (bn,), notes = time_to(comparison.rows, 0.8, "test")
    assert (bn.n, bn.reached, bn.epochs) == (3, 3, {0: 2, 1: 3, 2: 1})
    assert (bn.median_epochs, bn.median_train_s) == (2, 30)
    assert notes == []


@pytest.mark.parametrize(
    ("of_runs", "diverged", "median"),
    [([[0.9], [0.1]], 0, None), ([[0.9], [0.9], [0.1]], 0, 1), ([[0.9]], 1, None), ([[0.9], [0.9]], 1, 1)],
)
def test_a_run_that_never_gets_there_is_longer_than_any(
    tmp_path: Path, of_runs: list[list[float]], diverged: int, median: float | None
) -> None:
    comparison = with_epochs(tmp_path, of_runs, diverged)
    (bn,), _ = time_to(comparison.rows, 0.8, "test")
    assert bn.n == len(of_runs) + diverged
    assert bn.median_epochs == median
    (row,) = time_to_table(comparison, [bn], 80).rows
    assert row[2] == ("never" if median is None else "1")


NO_EPOCHS = {
    "missing": None,
    "empty": "",
    "no seconds": "epoch,test_accuracy\n1,0.9\n",
    "no accuracy": "epoch,train_s\n1,2\n",
    "no number": "epoch,test_accuracy,train_s\n1,x,2\n",
    "short row": "epoch,test_accuracy,train_s\n1,0.9\n",
}


@pytest.mark.parametrize("content", NO_EPOCHS.values(), ids=NO_EPOCHS)
def test_epochs_that_cannot_be_read_are_named(tmp_path: Path, content: str | None) -> None:
    folder = write_run(tmp_path, make_record("bn", accuracy=0.9, config__train__epochs=1))
    if content is not None:
        (folder / "metrics.csv").write_text(content)
    comparison, _ = compare_runs([tmp_path])
    (bn,), notes = time_to(comparison.rows, 0.8, "test")
    (note,) = notes
    assert "metrics.csv" in note
    assert (bn.n, bn.reached) == (0, 0)


def test_two_runs_are_compared_image_by_image(tmp_path: Path) -> None:
    a = write_run(tmp_path, small("bn"))
    b = write_run(tmp_path, make_record("gn", accuracy=0.25, data__num_eval=4))
    write(a)
    write(b, logits=CONFIDENT[:, ::-1])
    found = compare_two(a, b / "run.json")
    assert (found.both_right, found.both_wrong, found.test.only_a, found.test.only_b) == (0, 0, 3, 1)


def test_two_runs_on_other_images_are_refused(tmp_path: Path) -> None:
    a = write_run(tmp_path, small("bn"))
    write(a)
    b = write_run(tmp_path, small("gn", data__fingerprint="cd" * 32))
    write(b)
    with pytest.raises(ConfigError, match=r"evaluated on other images: data\.fingerprint"):
        compare_two(a, b)
    c = write_run(tmp_path, small("ln"))
    write(c, labels=LABELS[::-1], logits=CONFIDENT[::-1])
    with pytest.raises(ConfigError, match="not the same images in the same order"):
        compare_two(a, c)
    diverged = write_run(tmp_path, make_diverged("in", data__num_eval=4))
    with pytest.raises(ConfigError, match="diverged"):
        compare_two(a, diverged)
    with pytest.raises(ConfigError, match="no such folder"):
        compare_two(a, tmp_path / "nowhere")
