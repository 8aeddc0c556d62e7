"""Tests of a difference against SciPy and hand-worked numbers."""

import math
from itertools import product

import numpy as np
import pytest
from scipy import stats

from normbench.analysis.stats.difference import holm, paired_t, probability_better, sign_flip, welch

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
        ([], [], None, "either norm"),
        ([1.0, 2.0], [], None, "one of the norms"),
        ([1.0], [2.0], -1.0, "one run of each norm"),
        ([1.0, 2.0], [2.0], -0.5, "one run of one norm"),
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
    assert sign_flip(A, A).p_value == 1
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
    assert sign_flip([], []).why_undefined == "no seed that both norms finished"


def test_many_pairs_are_drawn_and_never_give_zero() -> None:
    rng = np.random.default_rng(0)
    differences = rng.normal(0.3, 1, 40)
    drawn = sign_flip(differences.tolist(), [0.0] * 40)
    normal = 2 * stats.norm.sf(abs(differences.sum()) / np.sqrt(np.sum(differences**2)))  # the limit for many pairs
    assert drawn.p_value == pytest.approx(normal, abs=0.01)
    assert drawn == sign_flip(differences.tolist(), [0.0] * 40)
    assert sign_flip([1.0] * 40, [0.0] * 40).p_value == 1e-5


def test_holm_by_hand() -> None:
    # Sorted 0.01, 0.03, 0.04 times 3, 2, 1: 0.03, 0.06, and 0.04 may not fall below 0.06
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert holm([None, 0.04, None, 0.01]) == [None, pytest.approx(0.04), None, pytest.approx(0.02)]
    assert holm([0.6, 0.9]) == [1.0, 1.0]
    assert holm([]) == []
    assert holm([None]) == [None]


def test_probability_better_by_hand() -> None:
    # d = 1, std 0.6 and 0.8: Φ(1 / 1)
    values = np.array([-1.0, 0.0, 1.0])
    result = probability_better((1 + 0.6 * values).tolist(), (0.8 * values).tolist())
    assert result.value == pytest.approx(stats.norm.cdf(1))
    # each end is the η at which a noncentral t puts 2.5 % beyond the t found
    test = welch((1 + 0.6 * values).tolist(), (0.8 * values).tolist())
    for end, tail in ((result.low, 0.975), (result.high, 0.025)):
        noncentrality = stats.norm.ppf(end) * math.sqrt(3)  # m = 1 / ((0.36 + 0.64) / 3)
        assert stats.nct.cdf(1 / test.std_error, test.df, noncentrality) == pytest.approx(tail, abs=1e-5)


def test_probability_better_agrees_with_welch() -> None:
    sides = [probability_better(a, b) for a, b in ((A, B), (B, A))]
    assert welch(A, B).p_value < 0.05
    assert sides[0].low > 0.5 > sides[1].high
    assert sides[0].value == pytest.approx(1 - sides[1].value)
    assert probability_better(A, A).value == 0.5
    far = probability_better([100.0, 100.1, 99.9], [0.0, 0.1, -0.1])
    assert 0.99 < far.low <= far.value <= far.high <= 1
    assert (
        probability_better([1.0], A).why_undefined == "one run of one norm: no interval, it takes two or more of both"
    )


def test_probability_betters_interval_covers_with_five_runs() -> None:
    rng = np.random.default_rng(0)
    truth = stats.norm.cdf(0.5 / math.hypot(0.3, 0.5))
    runs = [probability_better(rng.normal(0.5, 0.3, 5), rng.normal(0, 0.5, 5)) for _ in range(2000)]
    covered = np.mean([run.low <= truth <= run.high for run in runs])
    assert 0.935 <= covered <= 0.975  # 95 %, three standard errors of 0.5 %


@pytest.mark.parametrize("statistic", [welch, paired_t, probability_better])
def test_bad_arguments_are_refused(statistic) -> None:
    with pytest.raises(ValueError, match="finite"):
        statistic([1.0, math.nan], [1.0, 2.0])
    with pytest.raises(ValueError, match="between 0 and 1"):
        statistic([1.0, 2.0], [1.0, 2.0], 95)
    for pairs in (paired_t, sign_flip):
        with pytest.raises(ValueError, match="as many values"):
            pairs([1.0, 2.0], [1.0])
    with pytest.raises(ValueError, match="between 0 and 1"):
        holm([1.2])
