"""Epochs and seconds to an accuracy, from the epochs that runs wrote down."""

from pathlib import Path

import pytest

from normbench.analysis.compare.compare import Comparison
from normbench.analysis.compare.time_to import time_to
from normbench.present.tables.time_to import time_to_table
from tests.records import compare_folder, make_diverged, make_record, write_run


def write_epochs(folder: Path, accuracies: list[float]) -> None:
    rows = [f"{epoch},{accuracy},{10 * epoch}" for epoch, accuracy in enumerate(accuracies, 1)]
    (folder / "metrics.csv").write_text("\n".join(["epoch,test_accuracy,train_s", *rows]) + "\n")


def with_epochs(tmp_path: Path, of_runs: list[list[float]], diverged: int = 0) -> Comparison:
    for seed, accuracies in enumerate(of_runs):
        record = make_record("bn", seed, accuracies[-1], config__train__epochs=len(accuracies))
        write_epochs(write_run(tmp_path, record), accuracies)
    for number in range(diverged):
        write_run(tmp_path, make_diverged("bn", 100 + number, config__train__epochs=len(accuracies)))
    return compare_folder(tmp_path)[0]


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
    comparison, _ = compare_folder(tmp_path)
    (bn,), notes = time_to(comparison.rows, 0.8, "test")
    (note,) = notes
    assert "metrics.csv" in note
    assert (bn.n, bn.reached) == (0, 0)
