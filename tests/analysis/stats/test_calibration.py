"""Calibration and accuracy class by class, against numbers by hand."""

import numpy as np
import pytest

from normbench.analysis.stats.calibration import (
    class_accuracies,
    expected_calibration_error,
    negative_log_likelihood,
)

LABELS = np.array([0, 0, 1, 1])
CONFIDENT = np.log(np.array([[0.9, 0.1], [0.9, 0.1], [0.9, 0.1], [0.3, 0.7]]))  # the third is wrong


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
