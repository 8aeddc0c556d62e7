"""Simulated experiments with known truth, judged by the very functions that `compare` and `sweep` call.

Each function here returns an experiment: called with random numbers, it draws runs of norms whose true means are known
and says whether what is counted happened. Accuracies are in points, normally distributed unless it says otherwise.
"""

import math
from collections.abc import Callable, Sequence
from itertools import combinations, count

import numpy as np
from scipy.special import gammaincinv, ndtr

from normbench.analysis.stats.difference import Difference, over_seeds, welch
from normbench.analysis.stats.estimate import mean_interval
from normbench.analysis.stats.pairs import Couple, judge
from normbench.analysis.stats.power import POWER, new_seeds, paired_power
from normbench.analysis.stats.probability import probability_better
from normbench.analysis.stats.ranks import Rank, ranks
from normbench.analysis.stats.sequential import PairDecision, decide, planned_looks
from normbench.analysis.stats.sign_flip import sign_flip
from normbench.analysis.stats.verdict import Verdict, verdicts

STD, DELTA = 0.3, 0.5
NEVER = 1e-6  # a delta so small that nothing ends early for being equivalent
TWO_NORMS = STD * math.sqrt(2)  # the spread of a difference at one seed

Random = np.random.Generator
Outcome = tuple[bool, float]
"""Whether what is counted happened, and the runs a norm it took."""
Once = Callable[[Random], Outcome]
Counted = Callable[[Verdict, float], bool]
"""Of a verdict and the true difference."""


def draw(rng: Random, n: int, mean: float = 0.0, std: float = STD) -> list[float]:
    return rng.normal(80 + mean, std, n).tolist()


def matched(
    rng: Random, n: int, correlation: float, std_a: float = STD, std_b: float = STD, shape: float = 0
) -> tuple[list[float], list[float]]:
    """The runs of two norms, mean 80, whose runs of one seed are correlated.

    With `shape` they are skewed, most seeds alike, a few clearly worse: a gamma distribution of this shape turned
    round, skewness −2 / sqrt(shape). `correlation` is then that of the normal scores.
    """
    a = rng.normal(size=n)
    b = correlation * a + math.sqrt(1 - correlation**2) * rng.normal(size=n)
    if shape:
        a, b = ((shape - gammaincinv(shape, ndtr(scores))) / math.sqrt(shape) for scores in (a, b))
    return (80 + std_a * a).tolist(), (80 + std_b * b).tolist()


def by_seed(values: Sequence[float], first: int = 0) -> dict[int, float]:
    return dict(enumerate(values, first))


def alarm(n: int, correlation: float = 0, std_b: float = STD, shape: float = 0) -> Once:
    """Two equal norms of the same seeds come out as different."""

    def once(rng: Random) -> Outcome:
        a, b = matched(rng, n, correlation, STD, std_b, shape)
        return over_seeds(by_seed(a), by_seed(b)).p_value <= 0.05, n

    return once


def partly_alarm(n_a: int, n_b: int, num_paired: int, correlation: float, std_b: float = STD) -> Once:
    """The same with `num_paired` seeds in common; only runs of one seed are correlated."""

    def once(rng: Random) -> Outcome:
        a, b = matched(rng, max(n_a, n_b), correlation, STD, std_b)
        other = by_seed(b[:num_paired]) | by_seed(draw(rng, n_b - num_paired, 0, std_b), first=100)
        return over_seeds(by_seed(a[:n_a]), other).p_value <= 0.05, (n_a + n_b) / 2

    return once


def welch_alarm(n_a: int, n_b: int, std_a: float = STD, std_b: float = STD) -> Once:
    return lambda rng: (welch(draw(rng, n_a, 0, std_a), draw(rng, n_b, 0, std_b)).p_value <= 0.05, (n_a + n_b) / 2)


def welch_alarm_of_pairs(n: int, correlation: float) -> Once:
    return lambda rng: (welch(*matched(rng, n, correlation)).p_value <= 0.05, n)


def flip_alarm(n: int) -> Once:
    return lambda rng: (sign_flip(*matched(rng, n, 0.5)).p_value <= 0.05, n)


def fixed(means: Sequence[float], n: int, counted: Counted, *, all_pairs: bool = True, std: float = STD) -> Once:
    """A table of norms, looked at once: all pairs, or each norm against the first. Is any verdict counted?"""
    pairs = list(combinations(range(len(means)), 2))
    if not all_pairs:
        pairs = [pair for pair in pairs if pair[0] == 0]

    def once(rng: Random) -> Outcome:
        runs = [by_seed(draw(rng, n, mean, std)) for mean in means]
        words = verdicts([("A", "B")] * len(pairs), [over_seeds(runs[a], runs[b]) for a, b in pairs], DELTA)
        found = (counted(word, means[a] - means[b]) for (a, b), word in zip(pairs, words, strict=True))
        return any(found), n

    return once


def all_cover(means: Sequence[float], n: int) -> Once:
    """The simultaneous intervals of all pairs, 1 − 0.05 / pairs each."""
    pairs = list(combinations(range(len(means)), 2))

    def once(rng: Random) -> Outcome:
        runs = [by_seed(draw(rng, n, mean)) for mean in means]
        found = [over_seeds(runs[a], runs[b]).interval(1 - 0.05 / len(pairs)) for a, b in pairs]
        return all(low <= means[a] - means[b] <= high for (a, b), (low, high) in zip(pairs, found, strict=True)), n

    return once


def any_rank_wrong(means: Sequence[float], n: int) -> Once:
    """A ranking of norms, all pairs. Does any rank leave out a place that the norm has, or shares with its equals?"""
    true = {
        f"norm {number}": Rank(1 + sum(other > mean for other in means), sum(other >= mean for other in means))
        for number, mean in enumerate(means)
    }

    def once(rng: Random) -> Outcome:
        runs = {name: by_seed(draw(rng, n, mean)) for name, mean in zip(true, means, strict=True)}
        pairs = judge([Couple(a, b, runs[a], runs[b]) for a, b in combinations(true, 2)], DELTA)
        found = ranks(true, pairs)
        return any(found[name].best > rank.best or found[name].worst < rank.worst for name, rank in true.items()), n

    return once


def covers_difference(n: int, correlation: float = 0, std_b: float = STD) -> Once:
    def once(rng: Random) -> Outcome:
        a, b = matched(rng, n, correlation, STD, std_b)
        found = over_seeds(by_seed(a), by_seed(b))
        return found.low <= 0 <= found.high, n

    return once


def welch_covers(n_a: int, n_b: int, std_a: float = STD, std_b: float = STD) -> Once:
    def once(rng: Random) -> Outcome:
        found = welch(draw(rng, n_a, DELTA, std_a), draw(rng, n_b, 0, std_b))
        return found.low <= DELTA <= found.high, (n_a + n_b) / 2

    return once


def covers_mean(n: int) -> Once:
    def once(rng: Random) -> Outcome:
        found = mean_interval(draw(rng, n))
        return found.low <= 80 <= found.high, n

    return once


def probability(n: int, std_b: float, counted: Callable[[float, float, float, float], bool]) -> Once:
    """`counted` sees the estimate of P(A > B), its interval and the truth."""
    truth = float(ndtr(DELTA / math.hypot(STD, std_b)))

    def once(rng: Random) -> Outcome:
        found = probability_better(over_seeds(by_seed(draw(rng, n, DELTA)), by_seed(draw(rng, n, 0, std_b))))
        return counted(found.value, found.low, found.high, truth), n

    return once


def found_at_known_spread(pairs: int = 1) -> Once:
    n = next(n for n in count(2) if paired_power(n, TWO_NORMS, DELTA, 0.05 / pairs) >= POWER)

    def once(rng: Random) -> Outcome:
        return _paired(rng, n, DELTA).p_value <= 0.05 / pairs, n

    return once


def found_after_pilot(n: int, std_b: float = STD, true: float = DELTA) -> Once:
    """A pilot of n seeds says how many a new experiment takes, which is tested alone."""

    def once(rng: Random) -> Outcome:
        more = new_seeds(_paired(rng, n, true, std_b), DELTA)
        assert more is not None
        return _paired(rng, more, true, std_b).p_value <= 0.05, n + more

    return once


def looked_again(n: int, more: int) -> Once:
    """What people do by hand: equal norms are looked at, and where undecided they get more seeds and another look."""

    def once(rng: Random) -> Outcome:
        a, b = draw(rng, n + more), draw(rng, n + more)
        (first,) = verdicts([("A", "B")], [over_seeds(by_seed(a[:n]), by_seed(b[:n]))], DELTA)
        if first.kind != "undecided":
            return first.kind == "real", n
        return over_seeds(by_seed(a), by_seed(b)).p_value <= 0.05, n + more

    return once


def until_decided(
    means: Sequence[float],
    counted: Callable[[PairDecision, float], bool],
    *,
    delta: float = DELTA,
    most: int = 20,
    stds: Sequence[float] | None = None,
    correlation: float = 0.0,
    shape: float = 0.0,
    diverged: float = 0.0,
    looked_at: int = 0,
    every: bool = False,
) -> Once:
    """`sweep --until-decided` to its end. `counted` sees each pair's decision and true difference: any, or every.

    `correlation` and `shape` are for two norms. With `looked_at`, so many seeds were compared before, and the sweep
    began only because that was undecided.
    """
    looks = planned_looks(most)
    names = "ABCDEF"[: len(means)]
    pairs = list(combinations(names, 2))
    true = dict(zip(names, means, strict=True))

    def once(rng: Random) -> Outcome:
        if correlation or shape:
            runs = matched(rng, most, correlation, *(stds or (STD, STD)), shape)
        else:
            runs = [draw(rng, most, mean, std) for mean, std in zip(means, stds or [STD] * len(means), strict=True)]
        if looked_at:
            (before,) = verdicts([("A", "B")], [over_seeds(*(by_seed(it[:looked_at]) for it in runs))], delta)
            if before.kind != "undecided":
                return before.kind == "real", looked_at
        values = {
            name: [None if diverged and rng.random() < diverged else value for value in of_norm]
            for name, of_norm in zip(names, runs, strict=True)
        }
        found = decide(values, pairs, looks, len(looks) - 1, delta)
        taken = [max(looks[each.look] for each in found if name in (each.a, each.b)) for name in names]
        happened = [counted(each, true[each.a] - true[each.b]) for each in found]
        return (all if every else any)(happened), float(np.mean(taken))

    return once


def false_alarm(found: Verdict | PairDecision, true: float) -> bool:
    return found.kind == "real" and true == 0


def is_real(found: Verdict | PairDecision, true: float) -> bool:
    return found.kind == "real"


def is_decided(found: PairDecision, true: float) -> bool:
    return found.kind in ("real", "equivalent")


def wrongly_smaller(found: Verdict | PairDecision, true: float) -> bool:
    return found.smaller and abs(true) >= DELTA


def covered(found: PairDecision, true: float) -> bool:
    return found.low is not None and found.high is not None and found.low <= true <= found.high


def too_far_from_0(found: PairDecision, true: float) -> bool:
    return found.difference is not None and found.difference / true > 1


def estimate_covers(value: float, low: float, high: float, truth: float) -> bool:
    return low <= truth <= high


def estimate_is_above(value: float, low: float, high: float, truth: float) -> bool:
    return value > truth


def _paired(rng: Random, n: int, true: float, std_b: float = STD) -> Difference:
    return over_seeds(by_seed(draw(rng, n, true)), by_seed(draw(rng, n, 0, std_b)))
