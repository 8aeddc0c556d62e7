"""Adding seeds until decided: what each look decides, that restarts change nothing, and how often it is wrong."""

import math

import numpy as np
import pytest

from normbench.analysis.stats.difference import paired_t
from normbench.analysis.stats.sequential import decide, planned_looks
from normbench.analysis.stats.spending import nominal_alphas

LOOKS = (4, 8, 12, 16, 20)
PAIR = [("GN", "BN")]
THREE = [("GN", "BN"), ("LN", "BN"), ("LN", "GN")]


def runs(seed: int = 0, std: float = 0.3, n: int = 20, **means: float) -> dict[str, list[float]]:
    rng = np.random.default_rng(seed)
    return {name: rng.normal(mean, std, n).tolist() for name, mean in means.items()}


def test_looks_are_equal_steps_from_three_runs_on() -> None:
    assert planned_looks(20) == LOOKS
    assert planned_looks(10) == (3, 4, 6, 8, 10)
    assert planned_looks(5) == (3, 4, 5)
    assert planned_looks(2) == (2,)
    with pytest.raises(ValueError, match="two seeds"):
        planned_looks(1)


def test_a_large_difference_is_decided_at_the_first_look() -> None:
    values = runs(BN=80, GN=75)
    (found,) = decide(values, PAIR, LOOKS, 4, 0.5)
    test = paired_t(values["GN"][:4], values["BN"][:4])
    low, high = test.interval(1 - 0.05 / 25)  # the first of five looks may spend alpha / 25
    assert (found.kind, found.look, found.n_a, found.goes_on) == ("real", 0, 4, False)
    assert (found.difference, found.low, found.high) == pytest.approx((test.difference, low, high))
    assert found.nominal_alpha == pytest.approx(0.05 / 25)
    assert found.confidence == pytest.approx(0.95)  # over all looks
    assert "GN is 5.0 points below BN" in found.text
    assert "after 4 seeds" in found.text


def test_equals_are_found_equivalent() -> None:
    (found,) = decide(runs(BN=80, GN=80), PAIR, LOOKS, 4, 0.5)
    assert (found.kind, found.smaller, found.goes_on, found.look) == ("equivalent", True, False, 2)
    assert -0.5 < found.low < found.high < 0.5  # the interval that it goes by
    assert found.confidence == pytest.approx(0.9)
    assert "after 12 seeds" in found.text


def test_one_look_is_the_fixed_test() -> None:
    values = runs(seed=3, BN=80, GN=80.4)
    (found,) = decide(values, PAIR, (20,), 0, 0.1)
    test = paired_t(values["GN"], values["BN"])
    assert (found.low, found.high) == pytest.approx((test.low, test.high))
    assert (found.kind == "real") == (test.p_value <= 0.05)


def test_undecided_says_how_far_it_may_go() -> None:
    values = runs(BN=80, GN=80.3)
    (early,) = decide(values, PAIR, LOOKS, 0, 0.5)
    assert early.text.startswith("undecided: GN - BN lies in [-")
    assert early.text.endswith("], after 4 of at most 20 seeds")
    assert early.goes_on
    (late,) = decide(runs(BN=80, GN=80.3, std=2), PAIR, LOOKS, 4, 0.5)
    assert (late.kind, late.goes_on) == ("undecided", False)
    assert late.text.endswith(", after 20 seeds")


@pytest.mark.parametrize("seed", range(20))
def test_a_restarted_sweep_decides_the_same(seed: int) -> None:
    """Look by look with only the runs that were made, as a sweep does it, or at once with all: the same."""
    values = runs(seed, BN=80, GN=80.4, LN=81)
    there = dict.fromkeys(values, 0)
    for look, n in enumerate(LOOKS):
        before = decide(values, THREE, LOOKS, look - 1, 0.5) if look else ()
        still_open = {name for each in before if each.goes_on for name in (each.a, each.b)} if look else set(values)
        there |= dict.fromkeys(still_open, n)
        made = {name: values[name][: there[name]] for name in values}
        assert decide(made, THREE, LOOKS, look, 0.5) == decide(values, THREE, LOOKS, look, 0.5)


def test_a_decision_stands_whatever_comes_later() -> None:
    values = runs(BN=80, GN=75)
    first = decide(values, PAIR, LOOKS, 0, 0.5)
    values["GN"][4:] = [99.0] * 16
    assert decide(values, PAIR, LOOKS, 4, 0.5) == first


def test_holm_hands_on_what_a_pair_leaves_over() -> None:
    values = runs(BN=80, GN=75, LN=80.2)
    found = decide(values, THREE, LOOKS, 0, 0.5)
    assert [each.kind for each in found] == ["real", "undecided", "real"]
    assert [each.nominal_alpha for each in found] == pytest.approx([0.002 / 3, 0.002, 0.002 / 3], rel=1e-6)


def test_a_real_difference_may_be_small() -> None:
    (found,) = decide(runs(BN=80, GN=80.2, std=0.02), PAIR, LOOKS, 4, 0.5)
    assert "smaller than 0.5" in found.text
    assert (found.kind, found.smaller) == ("real", True)


def test_diverged_runs_are_counted_and_told() -> None:
    values = {"BN": [80.0, 80.2, 80.1, 79.9], "GN": [75.0, None, 75.2, 75.1]}
    (found,) = decide(values, PAIR, LOOKS, 0, 0.5)
    assert (found.n_a, found.n_b, found.kind) == (3, 4, "real")
    assert found.text.endswith(", after 4 seeds; 1 of 4 GN runs diverged, this is about those that finish")
    information = 2 / (1 / 3 + 1 / 4)
    assert found.nominal_alpha == pytest.approx(0.05 * (information / 20) ** 2)


def test_a_norm_that_never_finishes_is_no_reason_to_go_on() -> None:
    values = {"BN": [80.0, 80.2, 80.1, 79.9], "GN": [None] * 4, "LN": [80.1, 80.0, 79.8, 80.3]}
    found = decide(values, THREE, LOOKS, 0, 0.5)
    assert [each.goes_on for each in found] == [False, True, False]
    assert found[0].text == "undefined: all GN runs diverged, after 4 seeds"
    more = values | {"BN": values["BN"] * 2, "LN": values["LN"] * 2}  # GN got no more seeds: it stays closed
    assert decide(more, THREE, LOOKS, 1, 0.5)[0] == found[0]


def test_what_cannot_be_judged_yet_goes_on() -> None:
    (few,) = decide({"BN": [80.0, 80.2, 80.1, 79.9], "GN": [None, None, None, 75.0]}, PAIR, LOOKS, 0, 0.5)
    assert (few.kind, few.goes_on, few.low, few.nominal_alpha) == ("undefined", True, None, None)
    assert "one run of one of the two" in few.text
    constant = {"BN": [10.0] * 20, "GN": [10.0] * 20}
    (same,) = decide(constant, PAIR, LOOKS, 4, 0.5)
    assert (same.kind, same.goes_on) == ("undefined", False)
    assert "no spread" in same.text


def test_a_look_without_a_new_run_spends_nothing() -> None:
    rng = np.random.default_rng(0)
    values = {"BN": rng.normal(80, 1, 20).tolist(), "GN": [*rng.normal(80, 1, 4).tolist(), *[None] * 16]}
    values["BN"][4:8] = [None] * 4
    (early,) = decide(values, PAIR, LOOKS, 1, 0.1)
    assert (early.kind, early.low, early.goes_on) == ("undefined", None, True)
    assert "no run finished since the last look" in early.text
    (late,) = decide(values, PAIR, LOOKS, 4, 0.1)
    information = [2 / (1 / 4 + 1 / n) for n in (4, 8, 12, 16)]
    spent = [0.05 * (each / 20) ** 2 for each in information[:-1]] + [0.05]  # the last look may spend the rest
    assert late.nominal_alpha == pytest.approx(nominal_alphas(tuple(information), tuple(spent))[-1])


@pytest.mark.parametrize("delta", [1e-6, 0.5])
def test_equals_are_rarely_told_apart(delta: float) -> None:
    """Five looks at 5 % each would give 14 %. delta 1e-6: nothing stops early for being equivalent."""
    repetitions = 1000
    rng = np.random.default_rng(1)
    alarms = 0
    for a, b in rng.normal(80, 0.3, (repetitions, 2, 20)):
        (found,) = decide({"GN": a.tolist(), "BN": b.tolist()}, PAIR, LOOKS, 4, delta)
        alarms += found.kind == "real"
    band = 3 * math.sqrt(0.05 * 0.95 / repetitions)
    assert alarms / repetitions <= 0.05 + band
    if delta < 0.5:
        assert alarms / repetitions >= 0.05 - band


def test_true_differences_of_delta_are_rarely_called_equivalent() -> None:
    repetitions = 1000
    rng = np.random.default_rng(2)
    wrong = 0
    for a, b in rng.normal(80, 0.5, (repetitions, 2, 20)):
        (found,) = decide({"GN": (a + 0.5).tolist(), "BN": b.tolist()}, PAIR, LOOKS, 4, 0.5)
        wrong += found.smaller
    assert wrong / repetitions <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / repetitions)


def test_bad_arguments_are_refused() -> None:
    values = runs(BN=80, GN=80)
    with pytest.raises(ValueError, match="look 1 takes 8 runs of GN, there are 4"):
        decide(values | {"GN": values["GN"][:4]}, PAIR, LOOKS, 1, 1e-9)
    with pytest.raises(ValueError, match="growing"):
        decide(values, PAIR, (4, 4), 0, 0.5)
    with pytest.raises(ValueError, match="look_index"):
        decide(values, PAIR, LOOKS, 5, 0.5)
    with pytest.raises(ValueError, match="delta"):
        decide(values, PAIR, LOOKS, 0, 0)
    with pytest.raises(ValueError, match="listed once"):
        decide(values, [*PAIR, ("BN", "GN")], LOOKS, 0, 0.5)
    with pytest.raises(ValueError, match="no runs of LN"):
        decide(values, THREE, LOOKS, 0, 0.5)
    with pytest.raises(ValueError, match="finite"):
        decide(values | {"GN": [math.nan] * 20}, PAIR, LOOKS, 0, 0.5)
