"""`sweep.json`, written before the first run of a sweep, so that its comparison needs no config."""

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from normbench.files import write_json_atomically
from normbench.locks import locked
from normbench.runs.folder import sweep_file
from normbench.runs.read import RecordError, read_sweep
from normbench.runs.sweep_records import Sweep, SweepPlan

logger = logging.getLogger(__name__)


def keep_plan(experiment: Path, axes: Mapping[str, Sequence[Any]], runs: Sequence[str]) -> None:
    """Adds a sweep over `axes` (dotted key -> values) with these run ids to the plans in the experiment's folder.

    A damaged file is replaced, which is logged. Raises the errors of `write_json_atomically`.
    """
    new = SweepPlan(axes={key: tuple(values) for key, values in axes.items()}, runs=tuple(runs))
    with locked(experiment):
        before = _plans(experiment)
        plans = joined(before, new)
        if plans != before:
            write_json_atomically(sweep_file(experiment), Sweep(plans=plans).to_dict())


def joined(plans: Iterable[SweepPlan], new: SweepPlan) -> tuple[SweepPlan, ...]:
    """The plans with `new` as the last one; those over the same keys that share a run with it become part of it."""
    others: list[SweepPlan] = []
    for plan in plans:
        if plan.axes.keys() == new.axes.keys() and not set(plan.runs).isdisjoint(new.runs):
            new = SweepPlan(
                axes={key: _each_once([*plan.axes[key], *values]) for key, values in new.axes.items()},
                runs=tuple(dict.fromkeys([*plan.runs, *new.runs])),
            )
        else:
            others.append(plan)
    return (*others, new)


def _each_once(values: Iterable[Any]) -> tuple[Any, ...]:
    return tuple({json.dumps(value, sort_keys=True): value for value in values}.values())


def _plans(experiment: Path) -> tuple[SweepPlan, ...]:
    try:
        sweep = read_sweep(experiment)
    except RecordError as error:
        logger.info(f"note: {error}; the file is written anew")
        return ()
    return sweep.plans if sweep else ()
