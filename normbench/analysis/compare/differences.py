"""In what two runs differ: settings, data, environment, and what came of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from normbench.analysis.compare.facts import facts, show_value
from normbench.analysis.compare.rows import metrics_of
from normbench.runs.record import Record

NOT_SET = "-"
"""Of a run that does not have the key."""


@dataclass(frozen=True)
class Differences:
    """`facts`: dotted key -> the values of both runs as text, only where they differ.

    `metrics`: key of `stats.metrics` -> the values of both runs, None where a run did not measure it.
    """

    facts: Mapping[str, tuple[str, str]]
    metrics: Mapping[str, tuple[float | None, float | None]]


def differences(a: Record, b: Record) -> Differences:
    """What differs between two runs that are over."""
    known_a, known_b = facts(a), facts(b)
    keys = dict.fromkeys((*known_a, *known_b))
    values = {key: (_shown(known_a, key), _shown(known_b, key)) for key in keys}
    metrics_a, metrics_b = metrics_of(a), metrics_of(b)
    return Differences(
        facts={key: pair for key, pair in values.items() if pair[0] != pair[1]},
        metrics={key: (metrics_a.get(key), metrics_b.get(key)) for key in dict.fromkeys((*metrics_a, *metrics_b))},
    )


def _shown(known: Mapping[str, Any], key: str) -> str:
    return show_value(known[key], key) if key in known else NOT_SET
