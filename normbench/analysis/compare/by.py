"""Norms along one more key, e.g. train.batch_size: which value each run has, and accuracy by norm and value."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from normbench.analysis.compare.facts import facts, show_value
from normbench.analysis.compare.rows import NormRow
from normbench.analysis.compare.select import full_key
from normbench.analysis.stats.estimate import Estimate
from normbench.analysis.stats.pairs import By
from normbench.errors import ConfigError
from normbench.runs.record import Record
from normbench.text import unknown_name

# Norms are the rows and seeds are what n counts; status and name are no settings; test and val accuracies do not mix.
_NOT_AN_AXIS = (
    *("norm", "norm.kind", "label", "seed", "seeds", "status", "name"),
    *("data.evaluate_on", "data.evaluated_on"),
)
_IMAGES = ("data.source", "data.dir", "data.urls", "data.fingerprint", "data.num_train", "data.num_eval")


@dataclass(frozen=True)
class Grid:
    """Accuracy by norm and value of `key`. `cells[label, value]` is over the finished runs, as a fraction.

    `labels` are in the order of the tables, `values` ascending. Along an option of a norm (`norm.num_groups`) labels
    leave out the option, GN instead of GN(4), and a norm without the option has its cell at the value None.
    `diverged[label, value]` counts runs that diverged; a cell without a finished run has no mean.
    """

    key: str
    labels: tuple[str, ...]
    values: tuple[By, ...]
    cells: Mapping[tuple[str, By], Estimate]
    diverged: Mapping[tuple[str, By], int]


def axis(key: str, records: Sequence[Record]) -> str:
    """The full dotted key that `--by` means. Raises ConfigError for an unknown key, and for one that is no setting."""
    known = [facts(record) for record in records]
    keys = {name for flat in known for name in flat}
    name = full_key(key, keys)
    if name in _NOT_AN_AXIS:
        raise ConfigError(f"--by {key}: norms are the rows already, and seeds the n of each cell; give another key")
    if name in _IMAGES:
        raise ConfigError(
            f"--by {key}: runs on different images are never in one table; without --by they are shown side by side"
        )
    if name not in keys:
        allowed = sorted(keys - {*_NOT_AN_AXIS, *_IMAGES})
        raise ConfigError(f"--by {key}: {unknown_name('key', key, allowed)}")
    return name


def value_of(record: Record, key: str | None) -> By:
    """The run's value of `key`, a list as YAML text; None if `key` is None, or if the run does not have the key."""
    if key is None:
        return None
    value = facts(record).get(key)
    return value if isinstance(value, str | int | float | bool | None) else show_value(value, key)


def ascending(values: set[By]) -> tuple[By, ...]:
    """Numbers by size, then text in alphabetical order, then None."""
    return tuple(sorted(values, key=lambda value: (value is None, *_rank(value))))


def _rank(value: By) -> tuple[bool, float, str]:
    if isinstance(value, int | float):
        return False, value, ""
    return True, 0.0, str(value)


def grid(rows: Sequence[NormRow], key: str, metric: str) -> Grid:
    """The rows by norm and value of `key`; `metric` is a key of `NormRow.metrics`, a fraction."""
    labels = {id(row): _without(row.label, key, row.by) for row in rows}
    places = [(labels[id(row)], row.by) for row in rows]
    return Grid(
        key=key,
        labels=tuple(dict.fromkeys(label for label, _ in places)),
        values=ascending({row.by for row in rows}),
        cells={place: row.metrics[metric] for place, row in zip(places, rows, strict=True)},
        diverged={place: len(row.diverged_seeds) for place, row in zip(places, rows, strict=True)},
    )


def _without(label: str, key: str, value: By) -> str:
    """The norm's label without the option that is the axis: GN(4) -> GN, GN(4, eps=0.1) along eps -> GN(4)."""
    section, _, option = key.partition(".")
    parts = re.fullmatch(r"([^()]*)\((.*)\)(.*)", label)
    if section != "norm" or parts is None:
        return label
    name, inside, rest = parts.groups()
    kept = [text for text in inside.split(", ") if text not in (str(value), f"{option}={value}")]
    return f"{name}({', '.join(kept)}){rest}" if kept else f"{name}{rest}"
