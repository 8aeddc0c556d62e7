"""A ranking: the column of the places that a norm, or another arm, may have, and the sentences that it spares."""

from collections.abc import Sequence

from normbench.analysis.stats.pairs import Pair
from normbench.analysis.stats.ranks import Rank
from normbench.present.tables.table import NOT_KNOWN, Value

RANK = "Rank"
RANK_NOTE = "Rank: the places that the real differences leave open, 1 the highest; at most 5% that any rank is wrong."
MOST_SENTENCES = 15
"""On pairs, if a ranking has said who is above whom: the pairs of six norms."""


def rank_cell(rank: Rank | None) -> str:
    """`1`, or `2-4` for shared places."""
    if rank is None:
        return NOT_KNOWN
    return f"{rank.best}" if rank.best == rank.worst else f"{rank.best}-{rank.worst}"


def rank_record(rank: Rank | None) -> dict[str, Value]:
    return {"rank_best": rank.best if rank else None, "rank_worst": rank.worst if rank else None}


def told_pairs(pairs: Sequence[Pair], baseline: str, *, is_ranked: bool) -> list[Pair]:
    """The pairs to tell in sentences: all, or of too many in a ranking those with the baseline."""
    if not is_ranked or len(pairs) <= MOST_SENTENCES:
        return list(pairs)
    return [pair for pair in pairs if baseline in (pair.a, pair.b)]


def untold_note(num_untold: int, command: str) -> list[str]:
    """Which command shows the pairs that no sentence tells; nothing if each has one."""
    return [f"{num_untold} more pairs are in the table of pairs ({command} --full)."] if num_untold else []
