"""Pairs of norms: the difference of their accuracies over seeds, its tests, and the verdict."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from normbench.analysis.compare.rows import By, NormRow
from normbench.analysis.stats.difference import (
    Difference,
    Probability,
    TestResult,
    holm,
    paired_t,
    probability_better,
    sign_flip,
    welch,
)
from normbench.analysis.stats.estimate import CONFIDENCE
from normbench.analysis.stats.verdict import Verdict, verdict
from normbench.errors import ConfigError
from normbench.runs.record import Record
from normbench.text import unknown_name

DELTA = 0.5
"""The default of --delta: the smallest difference that matters, in points of accuracy."""

Couple = tuple[NormRow, NormRow]


@dataclass(frozen=True)
class Pair:
    """Norm `a` minus norm `b`, accuracies in points. `by` is the value of the grid's key, None without one.

    `difference` is Welch's; `p_adjusted` is its p-value after Holm over all pairs of the comparison. `paired` and
    `sign_flip` use the `num_paired` seeds that both norms finished.
    """

    a: str
    b: str
    by: By
    difference: Difference
    p_adjusted: float | None
    paired: Difference
    sign_flip: TestResult
    num_paired: int
    probability_better: Probability
    verdict: Verdict


def compare_pairs(
    groups: Sequence[Sequence[NormRow]], metric: str, baseline: str | None, *, all_pairs: bool, delta: float
) -> tuple[Pair, ...]:
    """The pairs within each group of rows: each norm against the group's baseline, or every norm against every other.

    `baseline` is a label of the rows; a group without it has no pairs unless all are asked for. `delta` is in points.
    """
    couples = [couple for rows in groups for couple in _couples(rows, baseline, all_pairs)]
    tests = [welch(*_points(couple, metric)) for couple in couples]
    adjusted = holm([test.p_value for test in tests])
    num_pairs = sum(p_value is not None for p_value in adjusted)
    return tuple(
        _pair(couple, metric, test, p_adjusted, num_pairs, delta)
        for couple, test, p_adjusted in zip(couples, tests, adjusted, strict=True)
    )


def baseline_of(rows: Sequence[NormRow] | Sequence[Record], asked: str | None) -> str:
    """The label of the baseline: `asked` is a label or a kind; the default is BN, or without BN the first row.

    Raises ConfigError for an unknown norm, and for a kind that several labels have.
    """
    labels = list(dict.fromkeys(row.label for row in rows))
    kinds = dict.fromkeys(str(row.norm.get("kind")) for row in rows)
    if asked is None:
        return next((row.label for row in rows if row.norm.get("kind") == "bn"), labels[0])
    wanted = asked.lower()
    found = [label for label in labels if label.lower() == wanted]
    found = found or list(dict.fromkeys(row.label for row in rows if str(row.norm.get("kind")).lower() == wanted))
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


def _pair(
    couple: Couple, metric: str, test: Difference, p_adjusted: float | None, num_pairs: int, delta: float
) -> Pair:
    a, b = couple
    values_a, values_b = _points(couple, metric)
    by_seed_a, by_seed_b = dict(zip(a.seeds, values_a, strict=True)), dict(zip(b.seeds, values_b, strict=True))
    common = [seed for seed in a.seeds if seed in by_seed_b]
    paired_a, paired_b = [by_seed_a[seed] for seed in common], [by_seed_b[seed] for seed in common]
    return Pair(
        a=a.label,
        b=b.label,
        by=a.by,
        difference=test,
        p_adjusted=p_adjusted,
        paired=paired_t(paired_a, paired_b),
        sign_flip=sign_flip(paired_a, paired_b),
        num_paired=len(common),
        probability_better=probability_better(values_a, values_b),
        verdict=verdict(a.label, b.label, test, p_adjusted, delta, 1 - CONFIDENCE, num_pairs=max(num_pairs, 1)),
    )


def _points(couple: Couple, metric: str) -> tuple[list[float], list[float]]:
    a, b = ([100 * value for value in row.values[metric]] for row in couple)
    return a, b
