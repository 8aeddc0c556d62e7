"""Verdicts: each kind, the interval that it goes by, and what its words may not hide."""

import math

import numpy as np
import pytest
from scipy import stats

from normbench.analysis.stats.difference import Difference, paired_t, welch
from normbench.analysis.stats.verdict import Verdict, verdicts


def found(difference: float, std_error: float, n: int = 20) -> Difference:
    """A paired difference with this standard error, the rest following from it."""
    df = n - 1
    half = stats.t.ppf(0.975, df) * std_error
    p_value = 2 * stats.t.sf(abs(difference) / std_error, df)
    low, high = difference - half, difference + half
    spread = std_error * math.sqrt(n)
    return Difference(n, n, difference, low, high, p_value, 0.95, None, std_error, df, spread, n)


def judge(*differences: Difference, delta: float = 0.5, **more) -> tuple[Verdict, ...]:
    return verdicts([("GN", "BN")] * len(differences), differences, delta, **more)


def test_a_real_difference_says_how_far_and_which_side() -> None:
    below, above = judge(found(-1.9, 0.2)), judge(found(1.9, 0.2))
    assert (below[0].kind, above[0].kind) == ("real", "real")
    assert "GN is 1.9 points below BN [1.5, 2.3]" in below[0].text
    assert "above BN" in above[0].text
    assert "0.05 above BN [0.03, 0.07]" in judge(found(0.05, 0.01), delta=0.01, unit="")[0].text


def test_a_difference_can_be_real_and_small() -> None:
    (verdict,) = judge(found(-0.2, 0.05))
    assert (verdict.kind, verdict.smaller) == ("real", True)
    assert "smaller than 0.5" in verdict.text


def test_equivalent_means_the_90_percent_interval_lies_inside() -> None:
    (inside,), (outside,) = judge(found(0.2, 0.3 / 1.7292)), judge(found(0.2, 0.3 / 1.7291))  # t(19, 0.95) = 1.72913
    assert (inside.kind, inside.confidence) == ("equivalent", pytest.approx(0.9))
    assert (inside.low, inside.high) == pytest.approx((-0.1, 0.5), abs=1e-4)
    assert inside.text.endswith(", 0.49999]")  # an end does not read as delta
    assert outside.kind == "undecided"


def test_words_are_adjusted_over_the_pairs_looked_at_together() -> None:
    """Each of p = 0.03 is real alone, none of three is; the same for equivalence."""
    one = found(0.5, 0.5 / stats.t.isf(0.015, 19))
    assert [each.kind for each in judge(one)] == ["real"]
    (verdict, *_) = judge(one, one, one)
    assert (verdict.kind, verdict.num_pairs) == ("undecided", 3)
    assert verdict.p_value == pytest.approx(0.09)
    assert "0.09 (Holm)" in verdict.text
    same = found(0.0, 0.5 / stats.t.isf(0.03, 19))  # p of the two one-sided tests is 0.03
    assert [each.kind for each in judge(same)] == ["equivalent"]
    assert [each.kind for each in judge(same, same, same)] == ["undecided"] * 3
    assert judge(same, found(0.0, 0.01), found(0.0, 0.01))[0].kind == "equivalent"  # Holm: the others use up nothing


def test_the_word_goes_by_the_interval_beside_it() -> None:
    rng = np.random.default_rng(0)
    kinds = set()
    for _ in range(300):
        runs = rng.normal(rng.choice([80, 80.2, 80.6, 82], 4), rng.choice([0.1, 0.3, 0.8]), (8, 4)).T.tolist()
        for verdict in judge(*(paired_t(runs[0], other) for other in runs[1:])):
            kinds.add((verdict.kind, verdict.smaller))
            assert (verdict.kind == "real") == (verdict.low > 0 or verdict.high < 0) or verdict.kind == "equivalent"
            if verdict.kind == "equivalent":
                assert -0.5 < verdict.low < verdict.high < 0.5
            assert 0.9 <= verdict.confidence < 1
    assert {("real", False), ("real", True), ("equivalent", True), ("undecided", False)} <= kinds


def test_undecided_plans_a_new_experiment() -> None:
    few = paired_t([79.7, 79.3, 79.9, 79.1, 79.5], [79.1, 79.5, 79.3, 79.8, 78.9])
    (verdict,) = judge(few)
    assert f"a new experiment of about {verdict.new_seeds} seeds" in verdict.text
    assert judge(few, few, few)[0].new_seeds > verdict.new_seeds  # for Holm's smallest level
    (fine,) = judge(few, delta=0.05)
    assert fine.new_seeds > 100
    assert "cannot be told with these data" in fine.text
    two = judge(paired_t([79.0, 80.0], [79.9, 79.5]), delta=1)[0]
    assert "cannot be told with these data" in two.text


def test_p_does_not_read_as_alpha() -> None:
    close = found(0.5, 0.5 / stats.t.isf(0.05003 / 4, 19))
    assert "p is 0.05003 (Holm)" in judge(close, close)[0].text


def test_no_verdict_without_an_interval() -> None:
    alone, constant, real = judge(welch([79.7], [79.2]), welch([0.5, 0.5], [0.7, 0.7]), found(-1.9, 0.2))
    assert (alone.kind, constant.kind, real.kind) == ("undefined", "undefined", "real")
    assert "one run of each" in alone.text
    assert (alone.low, alone.confidence, alone.why) == (None, None, welch([79.7], [79.2]).why_undefined)
    assert real.num_pairs == 1  # what has no test does not count


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="delta"):
        judge(found(1, 0.1), delta=math.nan)
    with pytest.raises(ValueError, match="alpha"):
        judge(found(1, 0.1), alpha=0.5)
