"""Pairs of norms: the difference of their accuracies over seeds, its tests, and the verdict."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

from normbench.analysis.compare.rows import By, NormRow
from normbench.analysis.stats.difference import Difference, correlation, over_seeds, paired_t, welch
from normbench.analysis.stats.estimate import CONFIDENCE
from normbench.analysis.stats.holm import holm
from normbench.analysis.stats.probability import Probability, probability_better
from normbench.analysis.stats.sequential import PairDecision
from normbench.analysis.stats.sign_flip import TestResult, sign_flip
from normbench.analysis.stats.verdict import Verdict, verdicts
from normbench.errors import ConfigError
from normbench.norms import resolve_norm
from normbench.runs.record import Record
from normbench.text import unknown_name

DELTA = 0.5
"""The default of --delta: the smallest difference that matters, in points of accuracy."""

ALPHA = 0.05
"""The chance of a false alarm over all pairs of a comparison."""

Couple = tuple[NormRow, NormRow]


@dataclass(frozen=True)
class Pair:
    """Norm `a` minus norm `b`, accuracies in points. `by` is the value of the grid's key, None without one.

    `difference` is that of the test by which the verdict goes (`stats.difference.over_seeds`), with this pair's own
    interval; `p_adjusted` is its p-value after Holm over all pairs of the comparison, `equivalence_p_adjusted` the one
    for a difference smaller than delta. `simultaneous` is an interval that covers for all pairs at once: Bonferroni's.

    `welch` takes the runs of one seed as independent; `paired` and `sign_flip` use only the `num_paired` seeds that
    both norms finished, whose `accuracies` are those of a and those of b in the same order; `seed_correlation` is the
    correlation of these, from three seeds on.

    `decision` is there for a verdict of a sweep until decided, with the numbers of the look that decided.
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
    accuracies: tuple[tuple[float, ...], tuple[float, ...]]
    num_paired: int
    seed_correlation: float | None
    probability_better: Probability
    verdict: Verdict
    decision: PairDecision | None = None

    @cached_property
    def sign_flip(self) -> TestResult:
        """The sign-flip test of the paired accuracies, made on demand: with hundreds of seeds it takes long."""
        return sign_flip(*self.accuracies)

    @property
    def disagrees(self) -> bool:
        """Whether Welch's test, which takes runs as independent, differs on whether the difference is real.

        False for a verdict of a sweep until decided, which no test of one look can contradict.
        """
        if self.p_adjusted is None or self.welch_p_adjusted is None or self.decision:
            return False
        return (self.p_adjusted <= ALPHA) != (self.welch_p_adjusted <= ALPHA)


def compare_pairs(
    groups: Sequence[Sequence[NormRow]], metric: str, baseline: str | None, *, all_pairs: bool, delta: float
) -> tuple[Pair, ...]:
    """The pairs within each group of rows: each norm against the group's baseline, or every norm against every other.

    `baseline` is a label of the rows; a group without it has no pairs unless all are asked for. `delta` is in points.
    """
    couples = [couple for rows in groups for couple in _couples(rows, baseline, all_pairs)]
    by_seed = [(_points(a, metric), _points(b, metric)) for a, b in couples]
    differences = [over_seeds(*values, CONFIDENCE) for values in by_seed]
    unpaired = [welch([*a.values()], [*b.values()], CONFIDENCE) for a, b in by_seed]
    words = verdicts([(a.label, b.label) for a, b in couples], differences, delta, ALPHA)
    adjusted = zip(
        holm([each.p_value for each in differences]),
        holm([each.equivalence_p(delta) for each in differences]),
        holm([each.p_value for each in unpaired]),
        strict=True,
    )
    num_pairs = max(1, sum(each.p_value is not None for each in differences))
    pairs = []
    for (a, b), values, difference, of_welch, (p, p_equivalent, p_welch), word in zip(
        couples, by_seed, differences, unpaired, adjusted, words, strict=True
    ):
        common = [seed for seed in values[0] if seed in values[1]]
        common_a, common_b = ([of_norm[seed] for seed in common] for of_norm in values)
        pairs.append(
            Pair(
                a=a.label,
                b=b.label,
                by=a.by,
                difference=difference,
                p_adjusted=p,
                equivalence_p_adjusted=p_equivalent,
                simultaneous=difference.interval(1 - ALPHA / num_pairs),
                welch=of_welch,
                welch_p_adjusted=p_welch,
                paired=paired_t(common_a, common_b),
                accuracies=(tuple(common_a), tuple(common_b)),
                num_paired=len(common),
                seed_correlation=correlation(common_a, common_b)
                if len(common) > 2
                else None,  # of two seeds it is 1 or -1
                probability_better=probability_better(difference, CONFIDENCE),
                verdict=word,
            )
        )
    return tuple(pairs)


def baseline_of(rows: Sequence[NormRow] | Sequence[Record], asked: str | None) -> str:
    """The label of the baseline: `asked` is a label in any case, a kind or another name of it, such as `batchnorm`.

    The default is BN, or without BN the first row.

    Raises ConfigError for an unknown norm, and for a kind that several labels have.
    """
    labels = list(dict.fromkeys(row.label for row in rows))
    kinds = dict.fromkeys(str(row.norm.get("kind")) for row in rows)
    if asked is None:
        return next((row.label for row in rows if row.norm.get("kind") == "bn"), labels[0])
    wanted = asked.lower()
    found = [label for label in labels if label.lower() == wanted]
    kind, options = resolve_norm(asked) or (wanted, {})
    meant = {"kind": kind, **options}
    found = found or list(
        dict.fromkeys(row.label for row in rows if all(row.norm.get(key) == value for key, value in meant.items()))
    )
    if not found:
        raise ConfigError(f"--baseline {asked}: {unknown_name('norm', asked, dict.fromkeys([*labels, *kinds]))}")
    if len(found) > 1:
        raise ConfigError(f"--baseline {asked}: several norms are meant; give one of {', '.join(found)}")
    return found[0]


def _couples(rows: Sequence[NormRow], baseline: str | None, all_pairs: bool) -> list[Couple]:
    rows = sorted(rows, key=lambda row: row.label != baseline)  # stable: the baseline first, the others in their order
    if all_pairs:
        return [(later, earlier) for earlier, later in combinations(rows, 2)]
    return [(other, rows[0]) for other in rows[1:]] if rows[0].label == baseline else []


def _points(row: NormRow, metric: str) -> dict[int, float]:
    """The metric in points, by seed."""
    return {seed: 100 * value for seed, value in zip(row.seeds, row.values[metric], strict=True)}
