"""The cells of a sweep: every combination of its axes' values that no entry of `exclude` fits."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from normbench.config.experiment.axes import Axis, with_row
from normbench.config.experiment.axis_keys import key_path
from normbench.config.load import Validate, stop_if_many
from normbench.config.messages import shown
from normbench.config.schema import CHOICES, Config
from normbench.config.yaml import KeyPath, Located, Problem, dotted


@dataclass(frozen=True)
class Cell:
    """A row of each axis, the config's tree with their values, and the config, None if it is wrong."""

    rows: tuple[tuple[Located, ...], ...]
    tree: Located
    config: Config | None
    plains: list[Any]  # plain data as written, and with all options


def kept_cells(
    base: Located,
    axes: Sequence[Axis],
    exclude: Sequence[Located],
    validate: Validate,
    problems: list[Problem],
) -> tuple[list[Cell], int]:
    """The cells, the first axis slowest, and how many were excluded, in which nothing can be wrong."""
    lacks_axes = any(problem.key[:1] == ("sweep",) for problem in problems)  # so that an entry may fit nothing
    not_fitting: list[Problem] = []
    entries = [_paths(entry, axes, not_fitting) for entry in exclude]
    used: set[int] = set()
    kept: dict[str, Cell] = {}
    num_excluded = 0
    for rows in product(*(axis.rows for axis in axes)):
        wrong: list[Problem] = []
        cell = _cell(base, axes, rows, validate, wrong)
        fitting = {index for index, entry in enumerate(entries) if entry and _fits_all(entry, cell)}
        used |= fitting
        if fitting:
            num_excluded += 1
            continue
        problems.extend(wrong)
        stop_if_many(problems)
        same = kept.setdefault(json.dumps(cell.plains[-1], sort_keys=True), cell)
        if same is not cell:
            problems.append(_twice(axes, same, cell))
    for index, entry in enumerate(entries):
        if entry and index not in used:
            not_fitting.append(_unused(exclude[index], entry, axes))
    problems.extend([] if lacks_axes else not_fitting)
    if not kept:
        problems.append(Problem(exclude[0].place, ("exclude",), "leaves no cell of the sweep to train"))
    return list(kept.values()), num_excluded


def _cell(
    base: Located,
    axes: Sequence[Axis],
    rows: tuple[tuple[Located, ...], ...],
    validate: Validate,
    problems: list[Problem],
) -> Cell:
    keys = [key for axis in axes for key in axis.keys]
    tree = with_row(base, keys, [node for row in rows for node in row])
    config = validate(tree, problems)
    return Cell(rows, tree, config, [tree.plain(), *([config.to_dict()] if config else [])])


def _paths(entry: Located, axes: Sequence[Axis], problems: list[Problem]) -> dict[KeyPath, Any]:
    """The entry by the places of its keys; empty if one of them is not swept, which is added to `problems`."""
    swept = [key for axis in axes for key in axis.keys]
    paths = {}
    for key, node in entry.value.items():
        path = key_path(key)
        if not any(path[: len(other)] == other or other[: len(path)] == path for other in swept):
            text = f"is not swept, so no cell differs in it; swept: {', '.join(map(dotted, swept)) or 'nothing'}"
            problems.append(Problem(node.place, ("exclude", *path), text))
            return {}
        paths[path] = node.plain()
    return paths


def _fits_all(entry: Mapping[KeyPath, Any], cell: Cell) -> bool:
    return all(any(_fits(key, value, plain) for plain in cell.plains) for key, value in entry.items())


def _fits(path: KeyPath, wanted: Any, plain: Any) -> bool:
    """Whether a config has the value: of a choice its name, or every option that a mapping names."""
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


def _twice(axes: Sequence[Axis], first: Cell, second: Cell) -> Problem:
    for axis, old, new in zip(axes, first.rows, second.rows, strict=True):
        if old is not new:
            text = f"two of its values make the same run: {_row(old)} and {_row(new)}; each may stand only once"
            return Problem(new[0].place, axis.path, text)
    raise AssertionError("two cells differ in the row of an axis")


def _row(row: Sequence[Located]) -> str:
    return ", ".join(shown(node.plain()) for node in row)
