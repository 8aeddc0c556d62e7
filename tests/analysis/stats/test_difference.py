"""Tests of a difference against SciPy and hand-worked numbers."""

import math

import numpy as np
import pytest
from scipy import stats

from normbench.analysis.stats.difference import correlation, over_seeds, paired_t, welch

A = [79.68, 79.26, 79.76, 79.91, 79.30]
B = [78.90, 79.02, 78.31]
C = [79.10, 79.31, 79.64, 79.20, 79.35]


@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
@pytest.mark.parametrize(("a", "b"), [(A, B), (B, A), (A, C), (A, A), ([1.0, 1.0, 2.0], [2.0, 2.5]), ([0, 2], [0, 1])])
def test_welch_is_scipys(a: list[float], b: list[float], confidence: float) -> None:
    ours, theirs = welch(a, b, confidence), stats.ttest_ind(a, b, equal_var=False)
    interval = theirs.confidence_interval(confidence)
    assert ours.p_value == pytest.approx(theirs.pvalue, rel=1e-9)
    assert (ours.low, ours.high) == pytest.approx((interval.low, interval.high), rel=1e-9, abs=1e-12)
    assert ours.df == pytest.approx(theirs.df)
    assert (ours.n_a, ours.n_b, ours.why_undefined) == (len(a), len(b), None)
    assert ours.difference == pytest.approx(np.mean(a) - np.mean(b))
    assert ours.interval(confidence) == (ours.low, ours.high)


def test_welch_by_hand() -> None:
    # means 2 and 4, variances 1 and 4, n = 3 and 3: se = sqrt(5 / 3), df = (5/3)^2 / ((1/9 + 16/9) / 2) = 50 / 17
    result = welch([1, 2, 3], [2, 4, 6])
    assert result.difference == -2
    assert result.std_error == pytest.approx(math.sqrt(5 / 3))
    assert result.df == pytest.approx(50 / 17)


def test_without_spread_on_one_side_the_other_side_judges() -> None:
    result = welch([1, 2, 3], [5, 5, 5, 5])
    assert result.df == pytest.approx(2)
    assert result.p_value == pytest.approx(stats.ttest_1samp([1, 2, 3], 5).pvalue)


@pytest.mark.parametrize(
    ("a", "b", "difference", "why"),
    [
        ([], [], None, "of either"),
        ([1.0, 2.0], [], None, "one of the two"),
        ([1.0], [2.0], -1.0, "one run of each"),
        ([1.0, 2.0], [2.0], -0.5, "one run of one of the two"),
        ([0.5] * 3, [0.5] * 4, 0.0, "same value"),
        ([0.5] * 3, [0.75] * 3, -0.25, "same value"),
        ([0.1] * 3, [0.1 + 1e-17, 0.1, np.nextafter(0.1, 1)], 0.0, "same value"),
    ],
)
def test_what_welch_cannot_say_is_not_significant(
    a: list[float], b: list[float], difference: float | None, why: str
) -> None:
    result = welch(a, b)
    assert result.difference == (None if difference is None else pytest.approx(difference, abs=1e-12))
    assert (result.low, result.high, result.p_value, result.interval(0.9)) == (None, None, None, None)
    assert why in (result.why_undefined or "")


def test_identical_runs_do_not_differ() -> None:
    assert welch(A, A).p_value == 1
    assert paired_t(A, A).why_undefined == "all pairs differ by the same: no spread to judge the difference by"


def test_a_tiny_spread_beside_a_large_one_does_not_underflow() -> None:
    assert welch([1e-150, 2e-150, 4e-150], [2e-150, 3e-150, 4e-150]).df == pytest.approx(welch([1, 2, 4], [2, 3, 4]).df)


@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_paired_t_is_scipys(confidence: float) -> None:
    ours, theirs = paired_t(A, C, confidence), stats.ttest_rel(A, C)
    interval = theirs.confidence_interval(confidence)
    assert ours.p_value == pytest.approx(theirs.pvalue)
    assert (ours.low, ours.high) == pytest.approx((interval.low, interval.high))


@pytest.mark.parametrize(
    ("a", "b", "difference", "why"),
    [
        ([], [], None, "no seed"),
        ([2.0], [1.0], 1.0, "one seed"),
        ([0.1, 0.2, 0.3], [0.2, 0.3, 0.4], -0.1, "differ by the same"),
    ],
)
def test_what_pairs_cannot_say(a: list[float], b: list[float], difference: float | None, why: str) -> None:
    result = paired_t(a, b)
    assert result.difference == pytest.approx(difference) if difference is not None else result.difference is None
    assert (result.low, result.high, result.p_value) == (None, None, None)
    assert why in (result.why_undefined or "")


def test_the_test_over_seeds_pairs_what_it_can() -> None:
    a, b = dict(enumerate(A)), dict(enumerate(C))
    assert over_seeds(a, b) == paired_t(A, C)
    apart = {seed + 100: value for seed, value in b.items()}
    assert over_seeds(a, apart) == welch(A, C)
    one = {4: C[0]} | {seed + 100: value for seed, value in enumerate(C[1:])}
    assert over_seeds(a, one).test == "Welch's t"  # one pair has no correlation
    reordered = {seed: b[seed] for seed in (3, 0, 4, 1, 2)}
    assert over_seeds(a, reordered) == over_seeds(a, b)


def test_partly_paired_by_hand() -> None:
    """Derrick et al. (2017), T_new2: the three seeds of b are among the five of a."""
    a, b = dict(enumerate(A)), {0: B[0], 2: B[1], 4: B[2]}
    found = over_seeds(a, b)
    v_a, v_b = np.var(A, ddof=1) / 5, np.var(B, ddof=1) / 3
    r = stats.pearsonr([A[0], A[2], A[4]], B).statistic
    std_error = math.sqrt(v_a + v_b - 2 * r * np.std(A, ddof=1) * np.std(B, ddof=1) * 3 / (5 * 3))
    gamma = (v_a + v_b) ** 2 / (v_a**2 / 4 + v_b**2 / 2)
    df = 2 + (gamma - 3 + 1) / (2 + 0 + 2 * 3) * (2 + 0)
    assert (found.std_error, found.df) == pytest.approx((std_error, df))
    assert found.p_value == pytest.approx(2 * stats.t.sf(abs(found.difference) / std_error, df))
    assert (found.test, found.num_paired, found.n_a, found.n_b) == ("partly paired t", 3, 5, 3)


@pytest.mark.parametrize("num_paired", [0, 1, 2, 5, 9, 10])
def test_equals_come_out_apart_in_at_most_five_percent(num_paired: int) -> None:
    """Correlation 0.6 by seed: Welch's test alone would come to 0.7 % where all ten seeds match."""
    repetitions = 400
    rng = np.random.default_rng(num_paired)
    alarms = 0
    for a, b in rng.normal(0, 0.3, (repetitions, 2, 10)):
        shared = (0.6 * a + 0.8 * b)[:num_paired]
        other = dict(enumerate(shared)) | dict(enumerate(b[num_paired:], start=100))
        alarms += over_seeds(dict(enumerate(a)), other).p_value <= 0.05
    assert alarms / repetitions <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / repetitions)
    if num_paired == 10:
        assert alarms / repetitions >= 0.05 - 3 * math.sqrt(0.05 * 0.95 / repetitions)


@pytest.mark.parametrize("size", [1e-149, 1e149])
@pytest.mark.parametrize("statistic", [welch, paired_t])
def test_the_unit_changes_no_p_value(statistic, size: float) -> None:
    a, b = [1.0, 1.2, 1.4, 1.1], [2.0, 1.1, 2.4, 1.9]
    usual, scaled = statistic(a, b), statistic([size * value for value in a], [size * value for value in b])
    assert scaled.p_value == pytest.approx(usual.p_value)
    assert scaled.low == pytest.approx(size * usual.low)


def test_correlation_is_scipys() -> None:
    assert correlation(A, C) == pytest.approx(stats.pearsonr(A, C).statistic)
    assert correlation(A, A) == 1
    assert correlation([1.0, 1.0, 1.0], [1.0, 2.0, 3.0]) is None
    assert correlation([1.0], [2.0]) is None


@pytest.mark.parametrize("delta", [0.1, 0.5, 2.0])
def test_the_equivalence_test_is_two_one_sided_tests(delta: float) -> None:
    lower = stats.ttest_ind(np.add(A, delta), C, equal_var=False, alternative="greater").pvalue
    upper = stats.ttest_ind(np.subtract(A, delta), C, equal_var=False, alternative="less").pvalue
    assert welch(A, C).equivalence_p(delta) == pytest.approx(max(lower, upper))
    low, high = welch(A, C).interval(0.9)
    assert (welch(A, C).equivalence_p(delta) <= 0.05) == (-delta < low and high < delta)
    assert welch([1.0], [2.0]).equivalence_p(delta) is None


@pytest.mark.parametrize("statistic", [welch, paired_t])
def test_bad_arguments_are_refused(statistic) -> None:
    with pytest.raises(ValueError, match="finite"):
        statistic([1.0, math.nan], [1.0, 2.0])
    with pytest.raises(ValueError, match="between 0 and 1"):
        statistic([1.0, 2.0], [1.0, 2.0], 95)
    for pairs in (paired_t, correlation):
        with pytest.raises(ValueError, match="as many values"):
            pairs([1.0, 2.0], [1.0])
