"""The keys that `sweep` and `tune` vary, each with its values."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from normbench.config.files import merge
from normbench.config.messages import shown
from normbench.config.overrides import key_path
from normbench.config.problems import Problems
from normbench.config.ranges import expand_range
from normbench.config.schema import CHOICES, SECTIONS
from normbench.config.tree import KeyPath, Located, Place, dotted
from normbench.text import unknown_name

MAX_KEYS = 20  # each can have thousands of values, which are built before their product is checked

# The keys in which runs of an experiment may not differ, and why.
_FIXED: Mapping[KeyPath, str] = {
    ("name",): "an experiment has one name",
    ("seeds",): "seeds stand below 'seeds', and every cell is trained with each",
    ("budget",): "the budget is the same for all runs of an experiment",
    ("pictures",): "how pictures are drawn makes no other run",
    ("data", "dir"): "where the images lie makes no other run",
    ("data", "urls"): "where the images come from makes no other run",
    ("data", "also_test"): "what else the networks are tested on makes no other run",
    ("data", "name"): "what data are called makes no other run",
    ("data", "resize"): "runs that are scored on different images cannot be compared",
    ("data", "held_out"): "runs that are scored on different images cannot be compared",
    ("data", "evaluate_on"): "runs that are scored on different images cannot be compared",
}
_NOT_TUNED: Mapping[KeyPath, str] = {
    ("norm",): (
        "norms are what is compared, each is tuned for itself; its options may be tuned, such as norm.num_groups"
    ),
    ("data", "source"): "settings are chosen on the images that the norms are compared on",
}


@dataclass(frozen=True)
class Axis:
    """A key and its values, or several keys whose values vary together: a row has one value for each key."""

    section: str  # sweep or tune
    keys: tuple[KeyPath, ...]
    rows: tuple[tuple[Located, ...], ...]
    place: Place

    def __str__(self) -> str:
        return ", ".join(map(dotted, self.keys))

    @property
    def size(self) -> int:
        """The number of values in its largest row."""
        return max((sum(node.size for node in row) for row in self.rows), default=0)

    @property
    def path(self) -> KeyPath:
        """The key that messages name."""
        return (self.section, *self.keys[0]) if len(self.keys) == 1 else (self.section, str(self))


def read_axes(section: Located, name: str, problems: Problems) -> list[Axis]:
    """The axes of a section called `name`. What is wrong with the others is added to `problems`."""
    num_keys = sum(key.count(",") + 1 for key in section.value)
    if num_keys > MAX_KEYS:
        problems.add(section.place, (name,), f"names {num_keys:,} keys, and {MAX_KEYS} are allowed")
        return []
    axes = (_axis(name, key, node, problems) for key, node in section.value.items())
    return [axis for axis in axes if axis]


def replace_axes(axes: Sequence[Axis], by: Sequence[Axis]) -> list[Axis]:
    """The axes of a file that extends another: its own, `by`, and those of the other that share no key with them."""
    new = {key for axis in by for key in axis.keys}
    return [axis for axis in axes if not new.intersection(axis.keys)] + list(by)


def written_values(axes: Iterable[Axis]) -> dict[str, tuple[Any, ...]]:
    """The values of each key as the file has them, in order, each once."""
    columns = {
        dotted(key): [written(row[index]) for row in axis.rows] for axis in axes for index, key in enumerate(axis.keys)
    }
    return {key: tuple({json.dumps(value): value for value in column}.values()) for key, column in columns.items()}


def written(node: Located) -> Any:
    """The plain value; numbers that keep their text (Exponent) become plain floats."""
    return json.loads(json.dumps(node.plain()))


def check_disjoint(axes: Sequence[Axis], problems: Problems) -> None:
    """No two axes may set the same value."""
    seen: dict[KeyPath, Axis] = {}
    for axis in axes:
        for key in axis.keys:
            if key in seen:
                first = seen[key]
                text = f"is set twice: below {first.section!r} ({first.place}) and below {axis.section!r}"
                problems.add(axis.place, key, text)
            seen.setdefault(key, axis)
    for inner, axis in seen.items():
        outer = seen.get(inner[:-1])
        values = (row[outer.keys.index(inner[:-1])].value for row in outer.rows) if outer else ()
        if outer and any(isinstance(value, dict) and inner[-1] in value for value in values):
            text = f"is set twice: by values of its own, and inside those of {dotted(inner[:-1])} ({outer.place})"
            problems.add(axis.place, inner, text)


def with_row(tree: Located, keys: Iterable[KeyPath], row: Iterable[Located]) -> Located:
    """`tree` with the row's values at its keys. A choice is set before its options: setting it would drop them."""
    for key, node in sorted(zip(keys, row, strict=True), key=lambda pair: len(pair[0])):
        nested = node
        for part in reversed(key):
            nested = Located({part: nested}, node.place)
        tree = merge(tree, nested)
    return tree


def _axis(section: str, written: str, node: Located, problems: Problems) -> Axis | None:
    """The axis of one key of a section, or of several that are written with commas between them."""
    here = problems.scope()
    names = [name.strip() for name in written.split(",")]
    for name in names:
        if objection := _objection(section, name):
            here.add(node.place, (section, *name.split(".")), objection)
    keys = tuple(map(key_path, names))
    at = (section, *keys[0]) if len(keys) == 1 else (section, written)
    if len(set(keys)) < len(keys):
        here.add(node.place, at, "names a key twice")
    if not here.ok:
        return None
    rows = tuple(_rows(at, len(keys), _values(at, node, here), here))
    return Axis(section, keys, rows, node.place) if here.ok else None


def _objection(section: str, key: str) -> str:
    """Why `section` (sweep or tune) may not vary the key; empty if it may."""
    path = key_path(key)
    not_tuned = _NOT_TUNED if section == "tune" else {}
    reason = next((why for fixed, why in _FIXED.items() if path[: len(fixed)] == fixed), not_tuned.get(path, ""))
    if reason:
        return f"cannot be in {section!r}: {reason}"
    if path in SECTIONS:
        inside = [dotted((*path, field)) for field in SECTIONS[path].model_fields if (*path, field) not in _FIXED]
        return f"is a section; write its keys out: {', '.join(inside)}"
    if path[:-1] in CHOICES or (path[:-1] in SECTIONS and path[-1] in SECTIONS[path[:-1]].model_fields):
        return ""
    known = [
        dotted((*above, field))
        for above, model in SECTIONS.items()
        for field in model.model_fields
        if above not in _FIXED and (*above, field) not in {*_FIXED, *not_tuned, *SECTIONS}
    ]
    return f"{unknown_name('key', key, known)}; an option of a choice is written like train.optimizer.lr"


def _values(at: KeyPath, node: Located, problems: Problems) -> list[Located]:
    if isinstance(node.value, dict) and node.value.keys() & {"from", "to"}:
        expanded = expand_range(node, at, problems)
        return expanded.value if expanded else []
    if isinstance(node.value, list) and node.value:
        values: list[Located] = node.value
        return values
    found = "an empty list" if node.value == [] else shown(node.plain())
    problems.add(node.place, at, f"must be a list of values, or a range such as {{from: 1, to: 4}}; found {found}")
    return []


def _rows(at: KeyPath, num: int, values: list[Located], problems: Problems) -> Iterator[tuple[Located, ...]]:
    for value in values:
        if num == 1:
            yield (value,)
        elif isinstance(value.value, list) and len(value.value) == num:
            yield tuple(value.value)
        else:
            text = f"each item must be a list of {num} values, one for each key; found {shown(value.plain())}"
            problems.add(value.place, at, text)
