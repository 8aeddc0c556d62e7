"""What a sweep until decided found: its verdicts hold although it looked at the runs several times."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from normbench.analysis.compare.pairs import Pair
from normbench.analysis.stats.verdict import Verdict


@dataclass(frozen=True)
class Decided:
    """The plan, in runs a norm at each look and points of accuracy, and the verdict on each pair, whichever way round.

    `look` is the index of the last look that was taken.
    """

    looks: tuple[int, ...]
    look: int
    delta: float
    alpha: float
    verdicts: Mapping[frozenset[str], Verdict]


def decided_from(content: Mapping[str, Any]) -> Decided:
    """From a `decisions.json` as `runs.read.read_decisions` gives it."""
    return Decided(
        looks=tuple(content["looks"]),
        look=content["look"],
        delta=content["delta"],
        alpha=content["alpha"],
        verdicts={frozenset((pair["a"], pair["b"])): Verdict(pair["kind"], pair["text"]) for pair in content["pairs"]},
    )


def as_decided(pairs: Sequence[Pair], decided: Decided) -> tuple[Pair, ...]:
    """The pairs with the verdicts of the rounds; those of one look at the runs would not allow for the looks before."""
    return tuple(
        replace(pair, verdict=decided.verdicts.get(frozenset((pair.a, pair.b)), pair.verdict)) for pair in pairs
    )


def decided_note(decided: Decided) -> str:
    looks = ", ".join(map(str, decided.looks))
    return (
        f"Seeds were added in rounds to decide each pair within {decided.delta:g} points: looks planned at {looks} "
        f"seeds a norm, {decided.look + 1} taken. The verdicts and the intervals in them allow for "
        f"all looks and pairs (false alarms at most {decided.alpha:.0%}); the other columns are those of one look."
    )
