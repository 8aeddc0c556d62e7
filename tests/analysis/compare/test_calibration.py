"""Calibration and classes over the runs of a norm, from their predictions."""

from pathlib import Path

import pytest

from normbench.analysis.compare.calibration import calibrations
from tests.predictions import small_record, write_predictions
from tests.records import compare_folder, make_record, write_run


def test_missing_and_damaged_predictions_are_named_and_left_out(tmp_path: Path) -> None:
    for seed in range(4):
        folder = write_run(tmp_path, small_record("bn", seed))
        if seed != 2:
            write_predictions(folder)
    (folder / "predictions.npz").write_bytes(b"PK\x03\x04 not a zip")
    comparison, _ = compare_folder(tmp_path, needs={"predictions"})
    (bn,), notes = calibrations(comparison.rows)
    assert bn.n == 2
    assert bn.calibration_error.mean == pytest.approx(0.25, abs=0.001)  # float16
    assert [estimate and estimate.mean for estimate in bn.per_class] == [1.0, 0.5]
    assert len(notes) == 2
    assert "bn-s3" in notes[0]
    assert "no predictions, left out: 1 run" in notes[1]
    assert "bn-s2" in notes[1]


def test_predictions_of_another_data_set_are_refused(tmp_path: Path) -> None:
    write_predictions(write_run(tmp_path, make_record("bn")))
    comparison, _ = compare_folder(tmp_path, needs={"predictions"})
    (bn,), (note,) = calibrations(comparison.rows)
    assert bn.n == 0
    assert bn.calibration_error.why_undefined == "no run with predictions"
    assert "1 of 4 images of 2 classes are wrong here, 2,000 of 10,000 of 2 there" in note
