"""Places in a ranking: those that an arm may have, given which differences are real."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import combinations

from normbench.analysis.stats.pairs import Pair

FEWEST = 4
"""Arms in a ranking: of three, the sentences on the pairs say as much."""


@dataclass(frozen=True)
class Rank:
    """The places that an arm may have, from `best` to `worst`; 1 is that of the highest value."""

    best: int
    worst: int


def ranks(arms: Collection[str], pairs: Sequence[Pair]) -> dict[str, Rank]:
    """The rank of each arm by name: below all arms that are really above it, above all that are really below it.

    Arms that cannot be told apart share places. As long as no word `real` is wrong, every rank holds the arm's true
    place; the chance of a wrong one is that of the verdicts, 5 % over all pairs. Al Mohamad, Goeman & van Zwet (2022),
    Biometrics 78, by Tukey's test in the place of Holm's.

    Empty for fewer than FEWEST arms, where a pair of them is missing, and where no pair has a verdict.
    """
    compared = {frozenset((pair.a, pair.b)) for pair in pairs}
    if len(arms) < FEWEST or any(frozenset(two) not in compared for two in combinations(arms, 2)):
        return {}
    if all(pair.verdict.kind == "undefined" for pair in pairs):
        return {}
    order = [_above_below(pair) for pair in pairs if pair.verdict.kind == "real"]
    return {
        arm: Rank(1 + sum(below == arm for _, below in order), len(arms) - sum(above == arm for above, _ in order))
        for arm in arms
    }


def _above_below(pair: Pair) -> tuple[str, str]:
    """The arms of a pair that is really different, the higher one first, by the interval that decided."""
    low = pair.verdict.low
    assert low is not None
    return (pair.a, pair.b) if low > 0 else (pair.b, pair.a)
