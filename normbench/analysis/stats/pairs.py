"""Pairs of arms that are looked at together: the difference over seeds, its tests, and the verdict.

An arm is whatever is compared: a norm, an optimizer, a compiler flag.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from normbench.analysis.stats.difference import BySeed, Difference, correlation, over_seeds, paired_t, welch
from normbench.analysis.stats.estimate import CONFIDENCE
from normbench.analysis.stats.holm import holm
from normbench.analysis.stats.probability import Probability, probability_better
from normbench.analysis.stats.sequential import PairDecision
from normbench.analysis.stats.sign_flip import TestResult, sign_flip
from normbench.analysis.stats.verdict import Verdict, verdicts

ALPHA = 0.05
"""The chance of a false alarm over all pairs that are looked at together."""

By = str | int | float | bool | None
"""Where a pair stands along a further key, such as a batch size; None without one."""


@dataclass(frozen=True)
class Couple:
    """Two arms to compare, by name, with the value of each run by seed. A run without a value is left out."""

    a: str
    b: str
    values_a: BySeed
    values_b: BySeed
    by: By = None


@dataclass(frozen=True)
class Pair:
    """Arm `a` minus arm `b`, in the values' unit. `by` is the value of the further key, None without one.

    `difference` is that of the test by which the verdict goes (`difference.over_seeds`), with this pair's own interval;
    `p_adjusted` is its p-value after Holm over all pairs, `equivalence_p_adjusted` the one for a difference smaller
    than delta. `simultaneous` is an interval that covers for all pairs at once: Bonferroni's.

    `welch` takes the runs of one seed as independent; `paired` and `sign_flip` use only the `num_paired` seeds that
    both arms have, whose `values` are those of a and those of b in the same order; `seed_correlation` is the
    correlation of these, from three seeds on.

    `decision` is there for a verdict of planned looks, with the numbers of the look that decided.
    """

    a: str
    b: str
    by: By
    difference: Difference
    p_adjusted: float | None
    equivalence_p_adjusted: float | None
    simultaneous: tuple[float, float] | None
    welch: Difference
    welch_p_adjusted: float | None
    paired: Difference
    values: tuple[tuple[float, ...], tuple[float, ...]]
    num_paired: int
    seed_correlation: float | None
    probability_better: Probability
    verdict: Verdict
    decision: PairDecision | None = None

    @cached_property
    def sign_flip(self) -> TestResult:
        """The sign-flip test of the paired values, made on demand: with hundreds of seeds it takes long."""
        return sign_flip(*self.values)

    @property
    def disagrees(self) -> bool:
        """Whether Welch's test, which takes runs as independent, differs on whether the difference is real.

        False for a verdict of planned looks, which no test of one look can contradict.
        """
        if self.p_adjusted is None or self.welch_p_adjusted is None or self.decision:
            return False
        return (self.p_adjusted <= ALPHA) != (self.welch_p_adjusted <= ALPHA)


def judge(couples: Sequence[Couple], delta: float, *, unit: str = "points") -> tuple[Pair, ...]:
    """The pairs with their verdicts, looked at together; `delta`, in the values' unit, is what matters.

    Raises ValueError for a delta <= 0, or a value that is not finite.
    """
    differences = [over_seeds(couple.values_a, couple.values_b, CONFIDENCE) for couple in couples]
    unpaired = [welch([*couple.values_a.values()], [*couple.values_b.values()], CONFIDENCE) for couple in couples]
    words = verdicts([(couple.a, couple.b) for couple in couples], differences, delta, ALPHA, unit=unit)
    adjusted = zip(
        holm([each.p_value for each in differences]),
        holm([each.equivalence_p(delta) for each in differences]),
        holm([each.p_value for each in unpaired]),
        strict=True,
    )
    num_pairs = max(1, sum(each.p_value is not None for each in differences))
    pairs = []
    for couple, difference, of_welch, (p, p_equivalent, p_welch), word in zip(
        couples, differences, unpaired, adjusted, words, strict=True
    ):
        common = [seed for seed in couple.values_a if seed in couple.values_b]
        common_a, common_b = ([values[seed] for seed in common] for values in (couple.values_a, couple.values_b))
        pairs.append(
            Pair(
                a=couple.a,
                b=couple.b,
                by=couple.by,
                difference=difference,
                p_adjusted=p,
                equivalence_p_adjusted=p_equivalent,
                simultaneous=difference.interval(1 - ALPHA / num_pairs),
                welch=of_welch,
                welch_p_adjusted=p_welch,
                paired=paired_t(common_a, common_b),
                values=(tuple(common_a), tuple(common_b)),
                num_paired=len(common),
                seed_correlation=correlation(common_a, common_b)
                if len(common) > 2
                else None,  # of two seeds it is 1 or -1
                probability_better=probability_better(difference, CONFIDENCE),
                verdict=word,
            )
        )
    return tuple(pairs)


def with_decision(pair: Pair, decision: PairDecision, num_pairs: int, delta: float) -> Pair:
    """The pair with the verdict of planned looks (`sequential.decide`), which looked at `num_pairs` together."""
    word = Verdict(
        decision.kind,
        decision.text,
        decision.low,
        decision.high,
        decision.confidence,
        num_pairs=num_pairs,
        delta=delta,
        smaller=decision.smaller,
        why=decision.text.removeprefix("undefined: ") if decision.kind == "undefined" else None,
        looks=decision.look + 1,
    )
    return replace(pair, verdict=word, decision=decision)
