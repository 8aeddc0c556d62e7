"""Timings of the network with each norm and without, of the plain loop, and of the machine itself, in turn."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from normbench.bench.ceilings import ceilings
from normbench.bench.plain_loop import plain_timer
from normbench.bench.result import WITHOUT, Bench, NormTimings
from normbench.bench.timed_process import TimedProcess
from normbench.bench.training import training_timer
from normbench.bench.turns import rounds_in_turn
from normbench.config import Choice, Config
from normbench.models.task import Task
from normbench.models.trace import count_macs
from normbench.norms import norm_label
from normbench.runs.build import build_network
from normbench.train.machine import Machine

WARM_UP = 1  # rounds that are not counted
CEILINGS = "the machine"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Plan:
    """How much is measured. steps: training steps of each process in a round. plain: whether to time the plain loop."""

    rounds: int
    steps: int
    plain: bool = False


def measure(configs: Sequence[Config], task: Task, machine: Machine, precision: str, plan: Plan) -> Bench:
    """Times training steps with the norm of each config, which are equal otherwise, and without norm.

    Everything that is timed has a process of its own with the machine's threads; it loads the data set from the cache.
    Logs a line a round. Raises ConfigError for a norm that does not fit the network, RunError for a process that dies.
    """
    names = ", ".join(config.norm.name for config in configs)
    logger.info(f"timing {names} and no norm; first a round that does not count")
    bare = configs[0].model_copy(update={"norm": Choice(WITHOUT)})
    by_norm = {WITHOUT: bare} | {config.norm.name: config for config in configs}
    macs = {norm: count_macs(build_network(config, task), task.image_shape) for norm, config in by_norm.items()}
    with_plain = [norm for norm, config in by_norm.items() if plan.plain and (norm != WITHOUT or config is not bare)]
    threads = machine.threads
    assert threads is not None
    processes: dict[str, TimedProcess] = {}

    def start(name: str, *arguments: Any) -> None:
        processes[name] = TimedProcess(name, machine.device, threads, *arguments)

    try:
        for norm, config in by_norm.items():
            start(norm, training_timer, config, precision, machine.device, plan.steps)
        for norm in with_plain:
            start(_plain(norm), plain_timer, by_norm[norm], machine.device, plan.steps)
        start(CEILINGS, ceilings, machine.device)
        rounds = _rounds(processes, plan)
        peaks = {name: process.finish() for name, process in processes.items()}
    finally:
        for process in processes.values():
            process.kill()

    def timings(norm: str, name: str) -> NormTimings:
        label = norm_label(norm, by_norm[norm].norm.options)
        return NormTimings(norm, label, macs[norm], tuple(measured[name] for measured in rounds), peaks[name])

    return Bench(
        norms=tuple(timings(norm, norm) for norm in by_norm),
        plain={norm: timings(norm, _plain(norm)) for norm in with_plain},
        ceilings=tuple(measured[CEILINGS] for measured in rounds),
        device=machine.device.type,
        precision=precision,
    )


def _rounds(processes: Mapping[str, TimedProcess], plan: Plan) -> list[dict[str, Any]]:
    """What each process measured, by its name, round by round."""
    for process in processes.values():
        process.wait_until_ready()
    rounds = []
    measures = {name: process.measure for name, process in processes.items()}
    for measured in rounds_in_turn(measures, plan.rounds, WARM_UP):
        rounds.append(measured)
        logger.info(f"round {len(rounds)} of {plan.rounds}")
    return rounds


def _plain(norm: str) -> str:
    return f"the plain loop with {norm}"
