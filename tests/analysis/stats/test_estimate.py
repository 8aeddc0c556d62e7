"""Statistics against SciPy and hand-worked numbers."""

import math

import pytest
from scipy import stats

from normbench.analysis.stats.estimate import mean_interval


@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.99])
@pytest.mark.parametrize("values", [[79.68, 79.26, 79.76], [0.1, 0.4], [3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0]])
def test_the_interval_is_scipys(values: list[float], confidence: float) -> None:
    estimate = mean_interval(values, confidence)
    low, high = stats.t.interval(confidence, len(values) - 1, loc=estimate.mean, scale=stats.sem(values))
    assert (estimate.low, estimate.high) == pytest.approx((low, high), rel=1e-12)
    assert estimate.std == pytest.approx(stats.tstd(values), rel=1e-12)
    assert estimate.n == len(values)
    assert estimate.why_undefined is None


def test_by_hand() -> None:
    # 1, 2, 3: mean 2, std 1, and t(2, 0.975) = 4.302653
    estimate = mean_interval([1.0, 2.0, 3.0])
    assert (estimate.mean, estimate.std) == (2.0, 1.0)
    assert estimate.high == pytest.approx(2 + 4.302653 / math.sqrt(3), abs=1e-6)


def test_one_value_has_a_mean_and_no_interval() -> None:
    estimate = mean_interval([0.8])
    assert (estimate.n, estimate.mean, estimate.std, estimate.low, estimate.high) == (1, 0.8, None, None, None)
    assert estimate.why_undefined == "one run: no interval"


def test_an_interval_of_impossible_values_is_not_given() -> None:
    estimate = mean_interval([0.2, 0.5, 0.9], bounds=(0, 1))  # 0.533 ± 0.872
    assert (estimate.low, estimate.high) == (None, None)
    assert estimate.mean == pytest.approx(0.5333, abs=1e-4)
    assert "too few" in str(estimate.why_undefined)
    assert mean_interval([0.5, 0.5, 0.5], bounds=(0, 0.5)).low == 0.5
    assert mean_interval([0.50, 0.52, 0.53], bounds=(0, 1)) == mean_interval([0.50, 0.52, 0.53])


def test_no_value_has_nothing() -> None:
    estimate = mean_interval([])
    assert (estimate.n, estimate.mean, estimate.low) == (0, None, None)
    assert estimate.why_undefined == "no finished run"


def test_a_small_spread_on_a_large_mean_is_not_lost() -> None:
    assert mean_interval([1e9, 1e9 + 1, 1e9 + 2]).std == 1.0


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        mean_interval([1.0, math.nan])
    with pytest.raises(ValueError, match="between 0 and 1"):
        mean_interval([1.0], 95)


def test_values_beyond_computing_are_refused_and_tiny_ones_are_not() -> None:
    with pytest.raises(ValueError, match="at most 1e\\+150"):
        mean_interval([1.0, 1e151])
    assert mean_interval([1e-200, 2e-200, 3e-200]).mean == pytest.approx(2e-200, abs=0)
