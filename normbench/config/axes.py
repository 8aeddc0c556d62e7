"""The keys that `sweep` and `tune` name, each with its values."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from normbench.config.files import merge
from normbench.config.messages import shown
from normbench.config.overrides import ALIASES
from normbench.config.ranges import expand_range
from normbench.config.schema import CHOICES, SECTIONS
from normbench.errors import unknown_name
from normbench.yaml_lines import KeyPath, Located, Place, Problem, dotted

# What may not differ between the runs of an experiment, and why.
_FIXED: Mapping[KeyPath, str] = {
    ("name",): "an experiment has one name",
    ("seeds",): "seeds stand below 'seeds', and every cell is trained with each",
    ("budget",): "the budget is the same for all runs of an experiment",
    ("pictures",): "how pictures are drawn makes no other run",
    ("data", "dir"): "where the images lie makes no other run",
    ("data", "urls"): "where the images come from makes no other run",
    ("data", "evaluate_on"): "runs that are scored on different images cannot be compared",
}
_NOT_TUNED: Mapping[KeyPath, str] = {
    (
        "norm",
    ): "norms are what is compared, each is tuned for itself; its options may be tuned, such as norm.num_groups",
    ("data", "source"): "settings are chosen on the images that the norms are compared on",
}


@dataclass(frozen=True)
class Axis:
    """A key and its values, or several keys whose values go together: a row has one for each key."""

    section: str  # sweep or tune
    keys: tuple[KeyPath, ...]
    rows: tuple[tuple[Located, ...], ...]
    place: Place

    def __str__(self) -> str:
        return ", ".join(map(dotted, self.keys))


def key_path(key: str) -> KeyPath:
    """The place of a dotted key in a config: `train.lr` and `norm.kind` stand for train.optimizer.lr and norm."""
    path: KeyPath = tuple(ALIASES.get(key, key).split("."))
    return path[:-1] if CHOICES.get(path[:-1]) == path[-1] else path


def read_axes(section: Located, name: str, problems: list[Problem]) -> list[Axis]:
    """The axes below the key `name`, without those that are wrong, which are added to `problems`."""
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
    for outer, inner in ((outer, inner) for outer in seen for inner in seen if inner[:-1] == outer):
        values = (row[seen[outer].keys.index(outer)] for row in seen[outer].rows)
        if any(isinstance(value.value, dict) and inner[-1] in value.value for value in values):
            text = f"is set twice: by its own values, and inside those of {dotted(outer)} ({seen[outer].place})"
            problems.append(Problem(seen[inner].place, inner, text))


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
    keys = tuple(key_path(key.strip()) for key in written.split(","))
    for key, path in zip(written.split(","), keys, strict=True):
        reason = _why_not(section, key.strip(), path)
        if reason:
            problems.append(Problem(node.place, (section, written), reason))
    if len(set(keys)) < len(keys):
        problems.append(Problem(node.place, (section, written), "names a key twice"))
    if len(problems) > before:
        return None
    values = _values(section, written, node, problems)
    rows = tuple(_rows((section, written), len(keys), values, problems))
    return Axis(section, keys, rows, node.place) if len(problems) == before else None


def _why_not(section: str, key: str, path: KeyPath) -> str:
    """Why `section` cannot have the key; empty if it can."""
    reason = next((why for place, why in _FIXED.items() if path[: len(place)] == place), "")
    if section == "tune":
        reason = reason or _NOT_TUNED.get(path, "")
    if reason:
        return f"{dotted(path)} cannot be in {section!r}: {reason}"
    fields = getattr(SECTIONS.get(path), "model_fields", None)
    if fields:
        inside = [dotted((*path, field)) for field in fields if (*path, field) not in _FIXED]
        return f"{dotted(path)} is a section; write its keys out: {', '.join(inside)}"
    if path[:-1] in CHOICES or (path[:-1] in SECTIONS and path[-1] in SECTIONS[path[:-1]].model_fields):
        return ""
    known = [
        dotted((*above, field))
        for above, model in SECTIONS.items()
        for field in model.model_fields
        if not {above, (*above, field)} & _FIXED.keys() and (*above, field) not in SECTIONS
    ]
    return f"{unknown_name('key', key, known)}; an option of a choice is written like train.optimizer.lr"


def _values(section: str, written: str, node: Located, problems: list[Problem]) -> list[Located]:
    path = (section, written)
    if isinstance(node.value, dict) and node.value.keys() & {"from", "to"}:
        expanded = expand_range(node, path, problems)
        return expanded.value if expanded else []
    if not isinstance(node.value, list):
        text = f"must be a list of values, or a range such as {{from: 1, to: 4}}; found {shown(node.plain())}"
        problems.append(Problem(node.place, path, text))
        return []
    if not node.value:
        problems.append(Problem(node.place, path, "must hold at least one value, found an empty list"))
    values: list[Located] = node.value
    return values


def _rows(path: KeyPath, num: int, values: list[Located], problems: list[Problem]) -> Iterator[tuple[Located, ...]]:
    for value in values:
        if num == 1:
            yield (value,)
        elif isinstance(value.value, list) and len(value.value) == num:
            yield tuple(value.value)
        else:
            text = f"each item must be a list of {num} values, one for each key; found {shown(value.plain())}"
            problems.append(Problem(value.place, path, text))
