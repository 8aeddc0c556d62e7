"""Verdicts: each kind, its words, and what they may not hide."""

import math

import pytest

from normbench.analysis.stats.difference import Difference, welch
from normbench.analysis.stats.verdict import Verdict, verdict


def found(difference: float, std_error: float, n: int = 20, std: float = 0.3) -> Difference:
    """A Welch difference with this standard error, the rest following from it."""
    from scipy import stats

    df = 2.0 * n - 2
    half = stats.t.ppf(0.975, df) * std_error
    p_value = 2 * stats.t.sf(abs(difference) / std_error, df)
    low, high = difference - half, difference + half
    return Difference(n, n, difference, low, high, p_value, 0.95, None, std_error, df, std, std)


def judge(difference: Difference, factor: float = 1, delta: float = 0.5, **more) -> Verdict:
    p_value = difference.p_value
    return verdict("GN", "BN", difference, None if p_value is None else min(1, factor * p_value), delta, **more)


def test_a_real_difference() -> None:
    assert judge(found(-1.9, 0.2)) == Verdict("real", "real: GN is 1.9 points below BN [1.5, 2.3]")
    assert judge(found(1.9, 0.2)).text == "real: GN is 1.9 points above BN [1.5, 2.3]"
    assert judge(found(0.05, 0.01), delta=0.01, unit="").text == "real: GN is 0.05 above BN [0.03, 0.07]"


def test_a_difference_can_be_real_and_small() -> None:
    assert judge(found(-0.2, 0.05)).text == "real, but smaller than 0.5: GN is 0.20 points below BN [0.10, 0.30]"


def test_equivalent_means_the_90_percent_interval_lies_inside() -> None:
    result = judge(found(0.1, 0.15))
    assert result == Verdict("equivalent", "equivalent within 0.5 points: GN - BN lies in [-0.2, 0.4]")
    just_inside, just_outside = found(0.2, 0.3 / 1.6860), found(0.2, 0.3 / 1.6859)  # t(38, 0.95) = 1.68595
    assert judge(just_inside).kind == "equivalent"
    assert judge(just_inside).text.endswith(", 0.49999]")  # an end does not read as delta
    assert judge(just_outside).kind == "undecided"


def num_more_seeds(undecided: Verdict) -> int:
    return int(undecided.text.partition("about ")[2].partition(" more")[0])


def test_undecided_says_what_it_takes() -> None:
    few = welch([79.7, 79.3, 79.9, 79.1, 79.5], [79.1, 79.5, 79.3, 79.8, 78.9])
    assert judge(few).text == "undecided: about 10 more seeds would tell 0.5 points"
    assert judge(few, delta=0.1).text == "undecided: about 322 more seeds would tell 0.1 points"
    assert (
        judge(few, delta=1e-4).text == "undecided: more than 10,000 seeds a norm would be needed to tell 0.0001 points"
    )
    assert judge(welch([79.0, 80.0], [79.4, 80.5]), delta=1).text == (
        "undecided: from n = 2 nobody can say how many seeds would tell 1 point; 3 more will show"
    )
    assert num_more_seeds(judge(few, num_pairs=3)) > num_more_seeds(judge(few))  # for Holm's smallest level
    assert judge(found(0.3, 0.16)).text == (
        "undecided: so many seeds mostly tell 0.5 points from 0, but here it could be either; more would narrow it"
    )


def test_an_interval_without_0_that_holm_overrules_says_so() -> None:
    difference = found(0.5, 0.2, std=0.6)
    assert judge(difference, 3, num_pairs=3) == Verdict(
        "undecided",
        "undecided: [0.1, 0.9] leaves out 0, but over 3 pairs p is 0.051 (Holm); "
        "about 24 more seeds would tell 0.5 points",
    )
    close = verdict("GN", "BN", difference, 0.05003, 0.5, num_pairs=3)
    assert "p is 0.05003 (Holm)" in close.text  # it does not read as 0.05


def test_no_verdict_without_an_interval() -> None:
    assert judge(welch([79.7], [79.2])).text == (
        "undefined: one run of each norm: no interval, it takes two or more of both"
    )
    assert judge(welch([0.5, 0.5], [0.7, 0.7])).kind == "undefined"
    assert verdict("GN", "BN", found(1, 0.1), None, 0.5) == Verdict("undefined", "undefined: no p-value")


def test_the_verdict_and_the_interval_never_contradict() -> None:
    for step in range(1, 400):
        difference = found(step / 400, 0.12)
        result = judge(difference)
        assert (result.kind == "real") == (difference.low > 0)


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="delta"):
        judge(found(1, 0.1), delta=math.nan)
    with pytest.raises(ValueError, match="alpha"):
        judge(found(1, 0.1), alpha=0.5)
    with pytest.raises(ValueError, match="cannot fall"):
        judge(found(1, 0.1), 0.5)
