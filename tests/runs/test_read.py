"""Predictions that are none, and what else is read of a run's folder beside the record."""

from pathlib import Path

import numpy as np
import pytest

from normbench.runs.folder import RunFolder
from normbench.runs.read import RecordError, read_predictions
from normbench.runs.record import Record
from tests.predictions import CONFIDENT, LABELS, small_record


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
