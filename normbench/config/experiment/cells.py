"""The cells of a sweep: every combination of its axes' values, without those that an entry of `exclude` matches."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from normbench.config.experiment.axes import Axis, with_row
from normbench.config.messages import shown
from normbench.config.overrides import key_path
from normbench.config.problems import Problem, Problems
from normbench.config.schema import CHOICES, Config
from normbench.config.tree import KeyPath, Located, dotted
from normbench.config.validate import Validate


@dataclass(frozen=True)
class Cell:
    """A row of each axis, the tree of the config with the rows' values, and the config; None if it is wrong."""

    rows: tuple[tuple[Located, ...], ...]
    tree: Located
    config: Config | None
    plains: list[Any]  # the config as plain data: as written, and with all options


def included_cells(
    base: Located,
    axes: Sequence[Axis],
    exclude: Sequence[Located],
    validate: Validate,
    problems: Problems,
) -> tuple[list[Cell], int]:
    """The cells, the first axis slowest, and the number of excluded ones, which may be wrong configs."""
    lacks_axes = problems.concern("sweep")  # a wrong axis is left out, so an entry may match nothing
    unmatched = Problems()
    entries = [_paths(entry, axes, unmatched) for entry in exclude]
    used: set[int] = set()
    kept: dict[str, Cell] = {}
    num_excluded = 0
    for rows in product(*(axis.rows for axis in axes)):
        wrong = Problems()
        cell = _cell(base, axes, rows, validate, wrong)
        matching = {index for index, entry in enumerate(entries) if entry and _matches(entry, cell)}
        used |= matching
        if matching:
            num_excluded += 1
            continue
        problems.extend(wrong.found)
        problems.raise_if_many()
        same = kept.setdefault(json.dumps(cell.plains[-1], sort_keys=True), cell)
        if same is not cell:
            problems.extend([_duplicate(axes, same, cell)])
    for index, entry in enumerate(entries):
        if entry and index not in used:
            unmatched.extend([_unused(exclude[index], entry, axes)])
    if not lacks_axes:
        problems.extend(unmatched.found)
    if not kept:
        problems.add(exclude[0].place, ("exclude",), "leaves no cell of the sweep to train")
    return list(kept.values()), num_excluded


def _cell(
    base: Located,
    axes: Sequence[Axis],
    rows: tuple[tuple[Located, ...], ...],
    validate: Validate,
    problems: Problems,
) -> Cell:
    keys = [key for axis in axes for key in axis.keys]
    tree = with_row(base, keys, [node for row in rows for node in row])
    config = validate(tree, problems)
    return Cell(rows, tree, config, [tree.plain(), *([config.to_dict()] if config else [])])


def _paths(entry: Located, axes: Sequence[Axis], problems: Problems) -> dict[KeyPath, Any]:
    """The entry's values by the paths of its keys; empty if a key is not swept, which is added to `problems`."""
    swept = [key for axis in axes for key in axis.keys]
    paths = {}
    for key, node in entry.value.items():
        path = key_path(key)
        if not any(path[: len(other)] == other or other[: len(path)] == path for other in swept):
            text = f"is not swept, so no cell differs in it; swept: {', '.join(map(dotted, swept)) or 'nothing'}"
            problems.add(node.place, ("exclude", *path), text)
            return {}
        paths[path] = node.plain()
    return paths


def _matches(entry: Mapping[KeyPath, Any], cell: Cell) -> bool:
    return all(any(_has_value(key, value, plain) for plain in cell.plains) for key, value in entry.items())


def _has_value(path: KeyPath, wanted: Any, plain: Any) -> bool:
    """Whether a config has the wanted value: a choice by its name, or by every option of a wanted mapping."""
    for key in path:
        if not isinstance(plain, dict) or key not in plain:
            return False
        plain = plain[key]
    label = CHOICES.get(path)
    if label and isinstance(plain, dict) and not isinstance(wanted, dict):
        return bool(plain.get(label) == wanted)
    if label and isinstance(plain, dict):
        return all(key in plain and plain[key] == value for key, value in wanted.items())
    return bool(plain == wanted) and isinstance(plain, bool) == isinstance(wanted, bool)


def _unused(entry: Located, paths: Mapping[KeyPath, Any], axes: Sequence[Axis]) -> Problem:
    for axis in axes:
        for index, key in enumerate(axis.keys):
            values = [row[index].plain() for row in axis.rows]
            wanted = paths.get(key)
            if key in paths and not isinstance(wanted, dict | list) and wanted not in [_name(key, v) for v in values]:
                known = ", ".join(dict.fromkeys(shown(_name(key, value)) for value in values))
                return Problem(entry.place, ("exclude",), f"no cell has {dotted(key)}: {shown(wanted)}; known: {known}")
    return Problem(entry.place, ("exclude",), "no cell of the sweep fits all of this entry")


def _name(path: KeyPath, value: Any) -> Any:
    return value.get(CHOICES.get(path, "")) if isinstance(value, dict) else value


def _duplicate(axes: Sequence[Axis], first: Cell, second: Cell) -> Problem:
    for axis, old, new in zip(axes, first.rows, second.rows, strict=True):
        if old is not new:
            text = f"two of its values make the same run: {_row(old)} and {_row(new)}; each may stand only once"
            return Problem(new[0].place, axis.path, text)
    raise AssertionError("two cells differ in the row of an axis")


def _row(row: Sequence[Located]) -> str:
    return ", ".join(shown(node.plain()) for node in row)
