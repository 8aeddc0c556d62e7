"""The probability that a norm scores above another, against SciPy and simulation."""

import math

import numpy as np
import pytest
from scipy import stats

from normbench.analysis.stats.difference import paired_t, welch
from normbench.analysis.stats.probability import probability_better

A = [79.68, 79.26, 79.76, 79.91, 79.30]
B = [78.90, 79.02, 78.31]


def test_by_hand() -> None:
    """d = 1, std 0.6 and 0.8: each number is the η at which a noncentral t puts so much beyond the t found."""
    values = np.array([-1.0, 0.0, 1.0])
    test = welch((1 + 0.6 * values).tolist(), (0.8 * values).tolist())
    result = probability_better(test)
    for end, tail in ((result.low, 0.975), (result.value, 0.5), (result.high, 0.025)):
        noncentrality = stats.norm.ppf(end) * math.sqrt(3)  # m = 1 / ((0.36 + 0.64) / 3)
        assert stats.nct.cdf(1 / test.std_error, test.df, noncentrality) == pytest.approx(tail, abs=1e-5)


def test_it_agrees_with_the_test() -> None:
    sides = [probability_better(welch(a, b)) for a, b in ((A, B), (B, A))]
    assert welch(A, B).p_value < 0.05
    assert sides[0].low > 0.5 > sides[1].high
    assert sides[0].value == pytest.approx(1 - sides[1].value)
    assert probability_better(welch(A, A)).value == 0.5
    far = probability_better(welch([100.0, 100.1, 99.9], [0.0, 0.1, -0.1]))
    assert 0.99 < far.low <= far.value <= far.high <= 1
    assert "no interval" in probability_better(welch([1.0], A)).why_undefined
    with pytest.raises(ValueError, match="between 0 and 1"):
        probability_better(welch(A, B), 95)


@pytest.mark.parametrize(("test", "n"), [(welch, 2), (paired_t, 2), (paired_t, 5)])
def test_the_estimate_is_too_high_as_often_as_too_low(test, n: int) -> None:
    rng = np.random.default_rng(n)
    truth = stats.norm.cdf(0.5 / math.hypot(0.3, 0.3))
    runs = [probability_better(test(rng.normal(0.5, 0.3, n), rng.normal(0, 0.3, n))) for _ in range(1000)]
    above = np.mean([run.value > truth for run in runs])
    assert 0.44 <= above <= 0.56  # three standard errors and some for Welch's approximation
    covered = np.mean([run.low <= truth <= run.high for run in runs])
    assert 0.925 <= covered <= 0.985
