"""Confusion rates, disagreement and truth probability, by hand."""

import numpy as np
import pytest

from normbench.analysis.stats.confusion import confusion_rates, right_against_wrong, truth_probability


def test_confusion_rates_by_hand() -> None:
    labels, predicted = np.array([0, 0, 1, 1]), np.array([[0, 1, 1, 1], [0, 0, 1, 0]])
    rates = confusion_rates(labels, predicted, 3)
    assert rates[:2].tolist() == [[0.75, 0.25, 0.0], [0.25, 0.75, 0.0]]
    assert np.isnan(rates[2]).all()


def test_right_against_wrong_by_hand() -> None:
    # images: 0 both right, 1 strongest, 2 weaker, 3 a tie within the other norm, 4 as strong as 1
    right = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 1, 1], [1, 1, 0, 1, 1]], dtype=bool)
    other = np.array([[1, 0, 0, 1, 0], [1, 0, 0, 0, 0]], dtype=bool)
    assert right_against_wrong(right, other).tolist() == [1, 4, 2]
    assert right_against_wrong(right, other, np.array([0, 0.1, 0.9, 0, 0.2])).tolist() == [4, 1, 2]
    assert right_against_wrong(other, right).tolist() == []


def test_half_of_the_seeds_is_neither_right_nor_wrong() -> None:
    half, none = np.array([[True], [False]]), np.array([[False], [False]])
    assert right_against_wrong(half, none).tolist() == []
    assert right_against_wrong(~none, half).tolist() == []


def test_truth_probability_is_the_softmax_of_the_truth() -> None:
    logits = np.array([[1, 2], [6e4, -6e4]], dtype=np.float16)
    expected = [np.e / (np.e + np.e**2), 0.0]
    assert truth_probability(logits, np.array([0, 1])) == pytest.approx(expected)
