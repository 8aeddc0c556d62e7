"""McNemar's test against SciPy's binomial and hand-worked numbers."""

import math

import numpy as np
import pytest
from scipy import stats

from normbench.analysis.stats.mcnemar import mcnemar


def images(both: int, only_a: int, only_b: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    sizes = (both, only_a, only_b, neither)
    return np.repeat([True, True, False, False], sizes), np.repeat([True, False, True, False], sizes)


@pytest.mark.parametrize(("only_a", "only_b"), [(0, 1), (3, 9), (9, 3), (120, 90), (700, 800)])
def test_p_is_the_exact_p_less_half_of_what_was_found(only_a: int, only_b: int) -> None:
    result = mcnemar(*images(5000, only_a, only_b, 1000))
    both = only_a + only_b
    exact = stats.binomtest(only_a, both).pvalue
    assert result.p_value == pytest.approx(exact - stats.binom.pmf(only_a, both, 0.5))
    assert (result.n, result.only_a, result.only_b) == (6000 + both, only_a, only_b)
    assert result.difference == (only_a - only_b) / result.n


def test_by_hand() -> None:
    # 1 and 3 of 10: P(X < 1) = 1/16, P(X = 1) = 4/16 for binomial(4, 1/2), so 2 · (1/16 + 2/16) = 3/8
    result = mcnemar(*images(4, 1, 3, 2))
    assert result.p_value == pytest.approx(3 / 8)
    # p_a = 2/12, p_b = 4/12: -1/6 ± 1.959964 · sqrt((1/2 - 1/36) / 12)
    half = 1.959964 * math.sqrt((1 / 2 - 1 / 36) / 12)
    assert (result.low, result.high) == pytest.approx((-1 / 6 - half, -1 / 6 + half), abs=1e-6)


@pytest.mark.parametrize("only", [0, 1, 50])
def test_as_many_on_either_side_is_no_difference(only: int) -> None:
    result = mcnemar(*images(10, only, only, 10))
    assert (result.difference, result.p_value) == (0, pytest.approx(1))
    assert result.low == pytest.approx(-result.high)


def test_all_against_none_stays_in_range() -> None:
    result = mcnemar(*images(0, 3, 0, 0))
    assert (result.difference, result.high) == (1, 1)
    assert result.low < 1


def test_the_level_holds_for_equal_networks() -> None:
    rng = np.random.default_rng(0)
    wrong = 0
    for _ in range(2000):
        a, b = rng.random((2, 300)) < 0.8
        wrong += mcnemar(a, b).p_value <= 0.05
    assert 0.035 <= wrong / 2000 <= 0.065  # 5 %, three standard errors of 0.5 %


def test_what_it_refuses() -> None:
    assert mcnemar(np.array([], bool), np.array([], bool)).why_undefined == "no test images"
    with pytest.raises(ValueError, match="bool"):
        mcnemar(np.array([1, 0]), np.array([0, 1]))
    with pytest.raises(ValueError, match=r"\(2,\) and \(3,\)"):
        mcnemar(np.array([True, False]), np.array([True, False, True]))
    with pytest.raises(ValueError, match="between 0 and 1"):
        mcnemar(np.array([True, False]), np.array([True, False]), 95)
