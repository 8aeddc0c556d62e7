"""The verdicts of a sweep until decided, which hold although the sweep looked at the runs several times."""

from collections.abc import Sequence
from dataclasses import replace

from normbench.analysis.compare.pairs import Pair
from normbench.analysis.stats.verdict import Verdict
from normbench.runs.sweep_records import Decisions


def as_decided(pairs: Sequence[Pair], decisions: Decisions) -> tuple[Pair, ...]:
    """The pairs with the verdicts of the sweep. A test of the last look alone would ignore the looks before it."""
    verdicts = {frozenset((pair.a, pair.b)): Verdict(pair.kind, pair.text) for pair in decisions.pairs}
    return tuple(replace(pair, verdict=verdicts.get(frozenset((pair.a, pair.b)), pair.verdict)) for pair in pairs)


def decided_note(decisions: Decisions) -> str:
    looks = ", ".join(map(str, decisions.looks))
    return (
        f"Seeds were added in rounds to decide each pair within {decisions.delta:g} points: looks planned at {looks} "
        f"seeds a norm, {decisions.look + 1} taken. The verdicts and the intervals in them allow for "
        f"all looks and pairs (false alarms at most {decisions.alpha:.0%}); the other columns are those of one look."
    )
