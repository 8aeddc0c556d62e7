"""The keys that `sweep` and `tune` name, each with its values."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from normbench.config.experiment.axis_keys import key_path, why_not
from normbench.config.experiment.ranges import expand_range
from normbench.config.files import merge
from normbench.config.messages import shown
from normbench.config.yaml import KeyPath, Located, Place, Problem, dotted

MAX_KEYS = 20  # each can have thousands of values, which are built before their product is looked at


@dataclass(frozen=True)
class Axis:
    """A key and its values, or several keys whose values go together: a row has one for each key."""

    section: str  # sweep or tune
    keys: tuple[KeyPath, ...]
    rows: tuple[tuple[Located, ...], ...]
    place: Place

    def __str__(self) -> str:
        return ", ".join(map(dotted, self.keys))

    @property
    def size(self) -> int:
        """The values in its largest row."""
        return max((sum(node.size for node in row) for row in self.rows), default=0)

    @property
    def path(self) -> KeyPath:
        """How messages name it."""
        return (self.section, *self.keys[0]) if len(self.keys) == 1 else (self.section, str(self))


def read_axes(section: Located, name: str, problems: list[Problem]) -> list[Axis]:
    """The axes below the key `name`, without those that are wrong, which are added to `problems`."""
    num_keys = sum(key.count(",") + 1 for key in section.value)
    if num_keys > MAX_KEYS:
        text = f"names {num_keys:,} keys, and {MAX_KEYS} are allowed"
        problems.append(Problem(section.place, (name,), text))
        return []
    axes = (_axis(name, key, node, problems) for key, node in section.value.items())
    return [axis for axis in axes if axis]


def replace_axes(axes: Sequence[Axis], by: Sequence[Axis]) -> list[Axis]:
    """Those of a file, where a file that extends it replaces every axis of which it names a key."""
    new = {key for axis in by for key in axis.keys}
    return [axis for axis in axes if not new.intersection(axis.keys)] + list(by)


def written_values(axes: Iterable[Axis]) -> dict[str, tuple[Any, ...]]:
    """Of each key its values as the file has them, in order, each once."""
    columns = {
        dotted(key): [written(row[index]) for row in axis.rows] for axis in axes for index, key in enumerate(axis.keys)
    }
    return {key: tuple({json.dumps(value): value for value in column}.values()) for key, column in columns.items()}


def written(node: Located) -> Any:
    """The plain value, its numbers plain too."""
    return json.loads(json.dumps(node.plain()))


def check_apart(axes: Sequence[Axis], problems: list[Problem]) -> None:
    """Two axes may not set the same thing."""
    seen: dict[KeyPath, Axis] = {}
    for axis in axes:
        for key in axis.keys:
            if key in seen:
                first = seen[key]
                text = f"is set twice: below {first.section!r} ({first.place}) and below {axis.section!r}"
                problems.append(Problem(axis.place, key, text))
            seen.setdefault(key, axis)
    for inner, axis in seen.items():
        outer = seen.get(inner[:-1])
        values = (row[outer.keys.index(inner[:-1])].value for row in outer.rows) if outer else ()
        if outer and any(isinstance(value, dict) and inner[-1] in value for value in values):
            text = f"is set twice: by values of its own, and inside those of {dotted(inner[:-1])} ({outer.place})"
            problems.append(Problem(axis.place, inner, text))


def with_row(tree: Located, keys: Iterable[KeyPath], row: Iterable[Located]) -> Located:
    """`tree` with the row's values at its keys; a choice comes before its options, which it would drop."""
    for key, node in sorted(zip(keys, row, strict=True), key=lambda pair: len(pair[0])):
        nested = node
        for part in reversed(key):
            nested = Located({part: nested}, node.place)
        tree = merge(tree, nested)
    return tree


def _axis(section: str, written: str, node: Located, problems: list[Problem]) -> Axis | None:
    before = len(problems)
    names = [name.strip() for name in written.split(",")]
    for name in names:
        reason = why_not(section, name)
        if reason:
            problems.append(Problem(node.place, (section, *name.split(".")), reason))
    keys = tuple(map(key_path, names))
    at = (section, *keys[0]) if len(keys) == 1 else (section, written)
    if len(set(keys)) < len(keys):
        problems.append(Problem(node.place, at, "names a key twice"))
    if len(problems) > before:
        return None
    rows = tuple(_rows(at, len(keys), _values(at, node, problems), problems))
    return Axis(section, keys, rows, node.place) if len(problems) == before else None


def _values(at: KeyPath, node: Located, problems: list[Problem]) -> list[Located]:
    if isinstance(node.value, dict) and node.value.keys() & {"from", "to"}:
        expanded = expand_range(node, at, problems)
        return expanded.value if expanded else []
    if isinstance(node.value, list) and node.value:
        values: list[Located] = node.value
        return values
    found = "an empty list" if node.value == [] else shown(node.plain())
    text = f"must be a list of values, or a range such as {{from: 1, to: 4}}; found {found}"
    problems.append(Problem(node.place, at, text))
    return []


def _rows(at: KeyPath, num: int, values: list[Located], problems: list[Problem]) -> Iterator[tuple[Located, ...]]:
    for value in values:
        if num == 1:
            yield (value,)
        elif isinstance(value.value, list) and len(value.value) == num:
            yield tuple(value.value)
        else:
            text = f"each item must be a list of {num} values, one for each key; found {shown(value.plain())}"
            problems.append(Problem(value.place, at, text))
