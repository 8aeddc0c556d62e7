"""Pairs of norms: which are compared, and with what."""

from collections.abc import Sequence
from itertools import combinations

from normbench.analysis.compare.rows import NormRow
from normbench.analysis.stats.pairs import Couple, Pair, judge
from normbench.errors import ConfigError
from normbench.norms import resolve_norm
from normbench.runs.record import Record
from normbench.text import unknown_name

DELTA = 0.5
"""The default of --delta: the smallest difference that matters, in points of accuracy."""


def compare_pairs(
    groups: Sequence[Sequence[NormRow]], metric: str, baseline: str | None, *, all_pairs: bool, delta: float
) -> tuple[Pair, ...]:
    """The pairs within each group of rows: each norm against the group's baseline, or every norm against every other.

    `baseline` is a label of the rows; a group without it has no pairs unless all are asked for. `delta` is in points.
    """
    chosen = [couple for rows in groups for couple in _couples(rows, baseline, all_pairs)]
    return judge([Couple(a.label, b.label, _points(a, metric), _points(b, metric), a.by) for a, b in chosen], delta)


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


def _couples(rows: Sequence[NormRow], baseline: str | None, all_pairs: bool) -> list[tuple[NormRow, NormRow]]:
    rows = sorted(rows, key=lambda row: row.label != baseline)  # stable: the baseline first, the others in their order
    if all_pairs:
        return [(later, earlier) for earlier, later in combinations(rows, 2)]
    return [(other, rows[0]) for other in rows[1:]] if rows[0].label == baseline else []


def _points(row: NormRow, metric: str) -> dict[int, float]:
    """The metric in points, by seed."""
    return {seed: 100 * value for seed, value in zip(row.seeds, row.values[metric], strict=True)}
