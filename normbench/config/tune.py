"""Fair tuning: the same points of one grid for every norm, tried on a validation split with seeds of their own."""

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from normbench.config.axes import Axis, with_row, written, written_values
from normbench.config.cells import Cell
from normbench.config.load import validated
from normbench.config.messages import shown
from normbench.config.ranges import MAX_RUNS, expand_range
from normbench.config.schema import MAX_SEED, Registry
from normbench.config.sections import Sections
from normbench.yaml_lines import Located, Problem, dotted, located

DEFAULT_SEEDS = (1000,)
DRAW_SEED = 0
MAX_POINTS = 100_000
EVALUATE_ON = ("data", "evaluate_on")


@dataclass(frozen=True)
class Tune:
    """What is tried for each cell of the sweep before its runs.

    `points` are the same for every norm: the whole grid, or `budget` points of it, drawn without repetition from a
    fixed seed; more budget goes on with the same draw. A trial is a point with one of `seeds`, none of which the
    experiment has. `grid` holds a tuned key's values in their order (keys that go together are apart here).
    """

    grid: Mapping[str, tuple[Any, ...]]
    budget: int  # the number of points
    seeds: tuple[int, ...]
    points: tuple[Mapping[str, Any], ...]


def read_tune(
    sections: Sections, cells: Sequence[Cell], registries: Mapping[str, Registry], problems: list[Problem]
) -> Tune | None:
    """The tuning that `sections` ask for, each point validated in each cell; None without, or if it is wrong."""
    axes, at = sections.tune, sections.tune_at
    if not at:
        return None
    before = len(problems)
    points = _points(axes, sections.tune_options.get("budget"), at, problems)
    seeds = _seeds(sections.tune_options.get("seeds"), cells, at, problems)
    _check_evaluated_on_test(cells, problems)
    num_trials = len(cells) * len(points) * len(seeds)
    if num_trials > MAX_RUNS:
        counts = f"{len(cells):,} cells x {len(points):,} points x {len(seeds):,} seeds"
        problems.append(Problem(at.place, ("tune",), f"{counts} are {num_trials:,} trials, {MAX_RUNS:,} are allowed"))
    if len(problems) > before:
        return None
    keys = [key for axis in axes for key in axis.keys]
    for point, cell in product(points, cells):
        validated(with_row(cell.tree, keys, point), registries, problems)
    names = [dotted(key) for key in keys]
    return Tune(
        grid=written_values(axes),
        budget=len(points),
        seeds=seeds,
        points=tuple(dict(zip(names, map(written, point), strict=True)) for point in points),
    )


def _points(
    axes: Sequence[Axis], budget: Located | None, at: Located, problems: list[Problem]
) -> list[tuple[Located, ...]]:
    """The points that are tried, in the grid's order; a point has a value for each key of the axes in turn."""
    size = math.prod(len(axis.rows) for axis in axes)
    reason = ""
    if not axes:
        reason = "names no key to tune, such as train.optimizer.lr: [0.02, 0.04]"
    elif size > MAX_POINTS:
        reason = f"the grid has {size:,} points, {MAX_POINTS:,} are allowed"
    if reason and not any(problem.key[:1] == ("tune",) for problem in problems):
        problems.append(Problem(at.place, ("tune",), reason))
    wanted = size
    if budget:
        wanted = budget.value
        if type(wanted) is not int or wanted < 1:
            text = f"must be the number of points tried for each norm, at least 1, found {shown(wanted)}"
            problems.append(Problem(budget.place, ("tune", "budget"), text))
            return []
    if not axes or size > MAX_POINTS:
        return []
    # Only `random()` is promised to stay the same from one Python to the next.
    draw = random.Random(DRAW_SEED)
    ranks = [draw.random() for _ in range(size)]
    drawn = set(sorted(range(size), key=ranks.__getitem__)[:wanted])
    grid = product(*(axis.rows for axis in axes))
    return [tuple(node for row in rows for node in row) for index, rows in enumerate(grid) if index in drawn]


def _seeds(node: Located | None, cells: Sequence[Cell], at: Located, problems: list[Problem]) -> tuple[int, ...]:
    """The trials' seeds, which no run of the experiment has: what is chosen for a seed flatters it."""
    path, found = ("tune", "seeds"), node or located(DEFAULT_SEEDS, at.place)
    if isinstance(found.value, dict):
        found = expand_range(found, path, problems) or located(DEFAULT_SEEDS, at.place)
    seeds = found.plain()
    is_list = isinstance(seeds, list) and seeds and all(type(seed) is int and 0 <= seed <= MAX_SEED for seed in seeds)
    if not is_list or len(set(seeds)) < len(seeds):
        text = "must be a list of different whole numbers from 0 up, such as [1000, 1001]"
        problems.append(Problem(found.place, path, text))
        return ()
    own = cells[0].tree.find(("seeds",)).plain() if cells else []
    taken = {seed for seed in own if type(seed) is int}.intersection(seeds) if isinstance(own, list) else set()
    if taken:
        text = f"{', '.join(map(str, sorted(taken)))} is also in 'seeds': trials need seeds of their own"
        problems.append(Problem(found.place, path, text if node else f"by default 1000: {text}"))
    return tuple(seeds)


def _check_evaluated_on_test(cells: Sequence[Cell], problems: list[Problem]) -> None:
    for node in (cell.tree.find(EVALUATE_ON) for cell in cells[:1]):
        if node.value == "val":
            text = "must be test with 'tune': trials are scored on val by themselves, the final runs on test"
            problems.append(Problem(node.place, EVALUATE_ON, text))
