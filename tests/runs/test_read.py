"""Predictions that are none, and what else is read of a run's folder beside the record."""

from pathlib import Path

import numpy as np
import pytest

from normbench.runs.folder import RunFolder
from normbench.runs.read import RecordError, finished_record, read_epochs, read_predictions, read_record
from normbench.runs.record import Record
from tests.predictions import CONFIDENT, LABELS, small_record
from tests.records import make_record, write_run


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
        read_predictions(RunFolder(tmp_path), Record.model_validate(small_record()))


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"hello", b"PK\x05\x06"])
def test_files_that_are_no_predictions_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "predictions.npz").write_bytes(content)
    with pytest.raises(RecordError, match=r"predictions\.npz"):
        read_predictions(RunFolder(tmp_path), Record.model_validate(small_record()))


BOM = b"\xef\xbb\xbf"
HEADER = "epoch,lr,train_loss,train_s,test_accuracy\n"


def test_a_mark_that_editors_put_before_a_text_is_passed_over(tmp_path: Path) -> None:
    folder = RunFolder(write_run(tmp_path, make_record("bn")))
    record = read_record(folder)
    folder.record.write_bytes(BOM + folder.record.read_bytes())
    assert read_record(folder) == record
    epochs = record.num_epochs or 1
    last = record.metrics_by_key
    rows = [f"{n},0.1,{last['train_loss']},1.0,{last['test_accuracy']}" for n in range(1, epochs + 1)]
    folder.metrics.write_bytes(BOM + (HEADER + "\r\n".join(rows)).encode())
    assert [row["epoch"] for row in read_epochs(folder, record)] == list(range(1, epochs + 1))


@pytest.mark.parametrize(
    "row", ["2,0.1,2.3,1.0,0.5", "1,-1,2.3,1.0,0.5", "1,0.1,1e308,1.0,0.5", "1,0.1,2.3,1e10,0.5", "1,0.1,2.3,1.0,1.5"]
)
def test_numbers_that_no_epoch_has_are_refused(row: str, tmp_path: Path) -> None:
    folder = RunFolder(write_run(tmp_path, make_record("bn", config__train__epochs=1)))
    folder.metrics.write_text(HEADER + row)
    with pytest.raises(RecordError, match=r"metrics\.csv: row 1: "):
        read_epochs(folder, read_record(folder))


def test_a_run_whose_folder_was_renamed_is_not_told_to_be_removed(tmp_path: Path) -> None:
    folder = write_run(tmp_path, make_record("bn"))
    renamed = folder.rename(folder.with_name("bn-s9-00000000"))
    with pytest.raises(RecordError, match=f"is the record of another run, {folder.name}: give the folder that name"):
        finished_record(RunFolder(renamed))
