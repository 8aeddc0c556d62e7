"""Fair tuning: the same points of one grid for every norm, tried on a validation split with separate seeds."""

import json
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from normbench.config.experiment.axes import Axis, with_row, written, written_values
from normbench.config.experiment.cells import Cell
from normbench.config.experiment.sections import Sections
from normbench.config.messages import shown
from normbench.config.problems import Problems
from normbench.config.ranges import MAX_RUNS, MAX_VALUES, expand_range
from normbench.config.schema import MAX_SEED
from normbench.config.tree import KeyPath, Located, dotted, located
from normbench.config.validate import Validate

DEFAULT_SEEDS = (1000,)
DRAW_SEED = 0
MAX_POINTS = 100_000
EVALUATE_ON = ("data", "evaluate_on")

Point = tuple[Located, ...]
"""A value for each key of the axes, in their order."""


@dataclass(frozen=True)
class Tune:
    """The settings that are tried for each cell of the sweep before its runs.

    `points` are the same for every norm: the whole grid, or `budget` points of it, drawn without repetition from a
    fixed seed; a larger budget continues the same draw. A trial is a point with one of `seeds`, none of which is a seed
    of the experiment. `grid` holds each tuned key's values in their order (keys that vary together are separate here).
    """

    grid: Mapping[str, tuple[Any, ...]]
    budget: int  # the number of points
    seeds: tuple[int, ...]
    points: tuple[Mapping[str, Any], ...]


def read_tune(sections: Sections, cells: Sequence[Cell], validate: Validate, problems: Problems) -> Tune | None:
    """The tuning of `sections`, with each point validated in each cell; None without one, or if it is wrong."""
    axes, at = sections.tune, sections.tune_at
    if not at:
        return None
    here = problems.scope()
    budget = _budget(sections.tune_options.get("budget"), here)
    if not axes and not problems.concern("tune"):
        here.add(at.place, ("tune",), "names no key to tune, such as train.optimizer.lr: [0.02, 0.04]")
    points = _points(axes, budget, at, here)
    seeds = _seeds(sections.tune_options.get("seeds"), cells, at, here)
    _check_evaluated_on_test(cells, here)
    num_trials = len(cells) * len(points) * len(seeds)
    if num_trials > MAX_RUNS:
        counts = f"{len(cells):,} (cells) x {len(points):,} (points) x {len(seeds):,} (seeds)"
        here.add(at.place, ("tune",), f"{counts} = {num_trials:,} trials, and {MAX_RUNS:,} are allowed")
    size = max((cell.tree.size for cell in cells), default=0) + sum(axis.size for axis in axes)
    if len(cells) * len(points) * size > MAX_VALUES:
        text = f"trials of some {size:,} values each are more than can be looked at; {MAX_VALUES:,} values are allowed"
        here.add(at.place, ("tune",), f"{len(cells) * len(points):,} {text}")
    if not here.ok:
        return None
    keys = [key for axis in axes for key in axis.keys]
    _check_trials(cells, keys, points, validate, problems)
    names = [dotted(key) for key in keys]
    return Tune(
        grid=written_values(axes),
        budget=len(points),
        seeds=seeds,
        points=tuple(dict(zip(names, map(written, point), strict=True)) for point in points),
    )


def _budget(node: Located | None, problems: Problems) -> int | None:
    """The number of points to try; None for the whole grid."""
    if node is None:
        return None
    budget = node.value
    if type(budget) is int and budget >= 1:
        return budget
    text = f"must be the number of points tried for each norm, at least 1, found {shown(node.plain())}"
    problems.add(node.place, ("tune", "budget"), text)
    return 1


def _points(axes: Sequence[Axis], budget: int | None, at: Located, problems: Problems) -> list[Point]:
    """The points that are tried, in the grid's order."""
    size = math.prod(len(axis.rows) for axis in axes)
    if size > MAX_POINTS:
        problems.add(at.place, ("tune",), f"the grid has {size:,} points, and {MAX_POINTS:,} are allowed")
    if not axes or size > MAX_POINTS:
        return []
    # Only `random()` is promised to stay the same from one Python to the next.
    draw = random.Random(DRAW_SEED)  # noqa: S311  (points of a grid, no secret)
    ranks = [draw.random() for _ in range(size)]
    drawn = set(sorted(range(size), key=ranks.__getitem__)[:budget])
    grid = product(*(axis.rows for axis in axes))
    return [tuple(node for row in rows for node in row) for index, rows in enumerate(grid) if index in drawn]


def _check_trials(
    cells: Sequence[Cell],
    keys: Sequence[KeyPath],
    points: Sequence[Point],
    validate: Validate,
    problems: Problems,
) -> None:
    """Every point must fit every cell, and no two may make the same trial, which would shrink the budget."""
    for cell in cells:
        seen: dict[str, Point] = {}
        for point in points:
            config = validate(with_row(cell.tree, keys, point), problems)
            problems.raise_if_many()
            same = seen.setdefault(json.dumps(config.to_dict(), sort_keys=True), point) if config else point
            if same is not point:
                first, second = (", ".join(shown(node.plain()) for node in nodes) for nodes in (same, point))
                text = f"two points make the same trial: {first} and {second}; each value may stand only once"
                problems.add(point[0].place, ("tune",), text)


def _seeds(node: Located | None, cells: Sequence[Cell], at: Located, problems: Problems) -> tuple[int, ...]:
    """The trials' seeds, none of which the experiment has: a run must not profit from a choice made on its seed."""
    path, found = ("tune", "seeds"), node or located(DEFAULT_SEEDS, at.place)
    if isinstance(found.value, dict):
        found = expand_range(found, path, problems) or located(DEFAULT_SEEDS, at.place)
    seeds = found.plain()
    is_list = isinstance(seeds, list) and seeds and all(type(seed) is int and 0 <= seed <= MAX_SEED for seed in seeds)
    if not is_list or len(set(seeds)) < len(seeds):
        text = "must be a list of different whole numbers from 0 up, such as [1000, 1001]"
        problems.add(found.place, path, text)
        return ()
    own = cells[0].tree.find(("seeds",)).plain() if cells else []
    taken = {seed for seed in own if type(seed) is int}.intersection(seeds) if isinstance(own, list) else set()
    if taken:
        text = f"{', '.join(map(str, sorted(taken)))} is also in 'seeds': trials need seeds of their own"
        problems.add(found.place, path, text if node else f"by default 1000: {text}")
    return tuple(seeds)


def _check_evaluated_on_test(cells: Sequence[Cell], problems: Problems) -> None:
    for node in (cell.tree.find(EVALUATE_ON) for cell in cells[:1]):
        if node.value == "val":
            text = "must be test with 'tune': trials are scored on val by themselves, the final runs on test"
            problems.add(node.place, EVALUATE_ON, text)
