"""The sign-flip test against SciPy and enumeration."""

from itertools import product

import numpy as np
import pytest
from scipy import stats

from normbench.analysis.stats.sign_flip import sign_flip

A = [79.68, 79.26, 79.76, 79.91, 79.30]
C = [79.10, 79.31, 79.64, 79.20, 79.35]


@pytest.mark.parametrize("n", [2, 5, 6, 9])
def test_sign_flip_counts_all_patterns(n: int) -> None:
    differences = np.round(np.random.default_rng(n).normal(0.6, 1, n), 1)  # rounded: ties
    patterns = np.array(list(product((-1, 1), repeat=n)))
    by_hand = np.mean(np.abs(patterns @ differences) >= abs(differences.sum()) - 1e-9)
    assert sign_flip(differences.tolist(), [0.0] * n).p_value == by_hand


def test_sign_flip_is_scipys() -> None:
    result = sign_flip(A, C)
    theirs = stats.permutation_test((A, C), lambda a, b: np.mean(np.subtract(a, b)), permutation_type="samples")
    assert result.p_value == pytest.approx(theirs.pvalue)


def test_sign_flip_says_what_few_pairs_cannot_show() -> None:
    five = sign_flip([1, 2, 3, 4, 5], [0] * 5)
    assert (five.p_value, five.smallest_p) == (0.0625, 0.0625)
    assert five.note == "5 pairs that differ cannot give a p below 0.0625; six are the least for 0.05"
    six = sign_flip([1, 2, 3, 4, 5, 6], [0] * 6)
    assert (six.p_value, six.note) == (1 / 32, None)
    tied = sign_flip([1, 2, 3, 4, 5, 6], [0, 0, 0, 0, 0, 6])  # a pair that does not differ shows nothing
    assert (tied.p_value, tied.smallest_p) == (0.0625, 0.0625)
    assert sign_flip([], []).why_undefined


def test_many_pairs_are_drawn_and_never_give_zero() -> None:
    rng = np.random.default_rng(0)
    differences = rng.normal(0.3, 1, 40)
    drawn = sign_flip(differences.tolist(), [0.0] * 40)
    normal = 2 * stats.norm.sf(abs(differences.sum()) / np.sqrt(np.sum(differences**2)))  # the limit for many pairs
    assert drawn.p_value == pytest.approx(normal, abs=0.01)
    assert drawn == sign_flip(differences.tolist(), [0.0] * 40)
    assert sign_flip([1.0] * 40, [0.0] * 40).p_value == 1e-5


def test_identical_runs_do_not_differ() -> None:
    assert sign_flip(A, A).p_value == 1
    with pytest.raises(ValueError, match="as many values"):
        sign_flip([1.0, 2.0], [1.0])
