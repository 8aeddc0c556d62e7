"""Arms -> what there is to say about each pair."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

from normbench.analysis.stats.estimate import LARGEST, is_measurable
from normbench.analysis.stats.pairs import Couple, Pair, judge
from normbench.analysis.stats.ranks import Rank, ranks
from normbench.analysis.values.read import Arm, Values
from normbench.errors import ConfigError
from normbench.text import unknown_name


@dataclass(frozen=True)
class Judged:
    """The arms and the pairs, judged together; `unit` is that of the values, empty if it is not known."""

    values: Values
    pairs: tuple[Pair, ...]
    baseline: str
    delta: float
    unit: str

    @cached_property
    def ranks(self) -> dict[tuple[str, str | None], Rank]:
        """By arm, and value of the further key; empty unless all of more than three arms are compared."""
        found: dict[tuple[str, str | None], Rank] = {}
        for by in dict.fromkeys(arm.by for arm in self.values.arms):
            arms = [arm.name for arm in self.values.arms if arm.by == by and arm.finished]
            among = [pair for pair in self.pairs if pair.by == by and {pair.a, pair.b} <= set(arms)]
            found |= {(name, by): rank for name, rank in ranks(arms, among).items()}
        return found


def judge_values(values: Values, baseline: str | None, *, all_pairs: bool, delta: float, unit: str = "") -> Judged:
    """Each arm against the baseline, the first arm unless another is named, or each against every other.

    With a further key, pairs are made at each of its values. Raises ConfigError for an unknown baseline, for a table
    without a pair, and for a delta that no difference can have.
    """
    if not (delta > 0 and is_measurable(delta)):
        raise ConfigError(
            f"--delta {delta:g}: give the smallest difference that matters, from {1 / LARGEST:g} to {LARGEST:g}"
        )
    names = dict.fromkeys(arm.name for arm in values.arms)
    if baseline is not None and baseline not in names:
        raise ConfigError(f"--baseline: {unknown_name('arm', baseline, names)}")
    first = baseline if baseline is not None else next(iter(names))
    groups: dict[str | None, list[Arm]] = {}
    for arm in values.arms:
        groups.setdefault(arm.by, []).append(arm)
    couples = [couple for arms in groups.values() for couple in _couples(arms, first, all_pairs)]
    if not couples:
        where = f" at each value of {values.by}" if values.by else ""
        raise ConfigError(f"there is nothing to compare: {', '.join(names)} is the only arm{where}")
    made = [Couple(a.name, b.name, a.finished, b.finished, a.by) for a, b in couples]
    return Judged(values, judge(made, delta, unit=unit), first, delta, unit)


def _couples(arms: Sequence[Arm], baseline: str, all_pairs: bool) -> list[tuple[Arm, Arm]]:
    ordered = sorted(arms, key=lambda arm: arm.name != baseline)  # stable: the baseline first
    if all_pairs:
        return [(later, earlier) for earlier, later in combinations(ordered, 2)]
    return [(other, ordered[0]) for other in ordered[1:]] if ordered[0].name == baseline else []
