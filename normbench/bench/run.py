"""The body of `normbench bench`: a config for each norm -> what was measured, and what holds for all of its tables."""

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from normbench.bench.full import FullBench, FullPlan, measure_full
from normbench.bench.measure import Plan, measure
from normbench.bench.result import WITHOUT, Bench, Spread
from normbench.config import Config
from normbench.data.load import load_dataset
from normbench.errors import Interrupted
from normbench.kernels.library import kernels_status, library
from normbench.runs.environment import describe_environment, git_commit
from normbench.sweeps.estimate import common_precision
from normbench.train.machine import Machine, num_cores

BUSY = 0.25  # load average a core from which other processes take part of the machine
UNSTEADY = 0.3  # between the least and the greatest tax of a norm: its median says little then

logger = logging.getLogger(__name__)


def _ignore(answer: "Answer") -> None:
    pass


@dataclass(frozen=True)
class Answer:
    """What was measured.

    setting: machine and amount of work in one line, for a table's title. head: the same and more, as JSON values.
    warnings: sentences on what may have disturbed the measurement.
    """

    measured: Bench | FullBench
    setting: str
    head: dict[str, Any]
    warnings: tuple[str, ...]


def run_bench(
    configs: Sequence[Config],
    name: str,
    machine: Machine,
    plan: Plan | FullPlan,
    *,
    bar: bool,
    keep: Callable[[Answer], None] = _ignore,
) -> Answer:
    """Measures what `plan` says: the speed of training with each norm, or what a GPU gains.

    configs: one for each norm, equal otherwise. name: path or name of the config file. bar: whether loading the data
    may show a progress bar. keep: gets the answer so far after each stage of a `FullPlan`. Raises DataError without
    data, Interrupted on Ctrl-C, and what `measure` and `measure_full` raise.
    """
    load = load_average()
    dataset = load_dataset(configs[0].data, bar=bar)
    if machine.is_cpu and library() is None:
        logger.info(kernels_status())
    lost = "nothing is kept, as every number needs all rounds"
    try:
        precision = common_precision(configs[0], dataset, machine)
        setting, head = _setting(configs[0], precision, machine, plan), _head(configs[0], name, machine, plan)
        head |= {"data": dataset.name, "precision": precision, "load_average_before": load}
        if isinstance(plan, Plan):
            measured = measure(configs, dataset, machine, precision, plan)
            timed = [norm for norm in measured.norms if norm.norm != WITHOUT]
            warnings = busy_notes(load, num_cores(), {norm.label: measured.tax(norm) for norm in timed})
            return Answer(measured, setting, head, warnings)
        lost = "--output has the stages that were done"
        for full in measure_full(configs, dataset, machine, precision, plan):
            answer = Answer(full, setting, head, left_out_notes(full.left_out, plan.limit_s))
            keep(answer)
    except KeyboardInterrupt:
        raise Interrupted(f"stopped; {lost}") from None
    return answer


def _head(config: Config, name: str, machine: Machine, plan: Plan | FullPlan) -> dict[str, Any]:
    return {
        "config": Path(name).name,  # without its folder, which is private
        "batch_size": config.train.batch_size,
        "device": machine.device.type,
        "rounds": plan.rounds,
        "steps_per_round": plan.steps,
        "environment": describe_environment(machine.device) | {"threads": machine.threads},
        "git_commit": git_commit(),
    }


def _setting(config: Config, precision: str, machine: Machine, plan: Plan | FullPlan) -> str:
    kernels = library() if machine.is_cpu else None
    device = f"{machine.device.type} ({kernels.level})" if kernels else machine.device.type
    return (
        f"{device}, {_counted(machine.threads or 0, 'thread')}, {precision}, "
        f"batch {config.train.batch_size}, {_counted(plan.rounds, 'round')} of {_counted(plan.steps, 'step')}"
    )


def left_out_notes(left_out: Sequence[str], limit_s: float) -> tuple[str, ...]:
    """A warning for the stages of a full measurement that no time was left for."""
    if not left_out:
        return ()
    return (f"after {limit_s:.0f} s these were left out, name fewer norms to have them: {'; '.join(left_out)}",)


def load_average() -> float | None:
    """The system's load average over the last minute; None if the system has none."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def busy_notes(load: float | None, cores: int, taxes: Mapping[str, Spread]) -> tuple[str, ...]:
    """Warnings if other programs ran: before, by the load average, and meanwhile, by taxes that changed.

    taxes: by norm, the share that a step is longer than without norm, over the rounds.
    """
    notes = []
    if load is not None and load >= BUSY * cores:
        notes.append(
            f"the machine was busy before ({load:.1f} processes ready to run on {cores} cores): speeds may be too low"
        )
    label, tax = max(taxes.items(), key=lambda item: item[1].high - item[1].low, default=("", Spread(0, 0, 0)))
    if tax.high - tax.low > UNSTEADY:
        notes.append(
            f"the machine was too busy to compare norms: the tax of {label} was {100 * tax.low:.0f} to "
            f"{100 * tax.high:.0f} % from round to round; end other programs, or take more rounds (--rounds)"
        )
    return tuple(notes)


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' if count > 1 else ''}"
