"""Timings of the network with each norm and without, of the plain loop, and of the machine itself, in turn."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from normbench.bench.busy import busy_programs
from normbench.bench.ceilings import ceilings
from normbench.bench.plain_loop import plain_timer
from normbench.bench.result import WITHOUT, Bench, NormTimings, Timing
from normbench.bench.timed_process import TimedProcess
from normbench.bench.torch_loop import torch_timer
from normbench.bench.training import training_timer
from normbench.bench.turns import rounds_in_turn
from normbench.config import Choice, Config
from normbench.data.dataset import Dataset
from normbench.models.trace import count_macs
from normbench.norms import norm_label
from normbench.runs.build import build_network, task_of
from normbench.runs.engine import engine_of
from normbench.train.machine import Machine, using_threads
from normbench.train.setting import Setting

WARM_UP = 1  # rounds that are not counted
CEILINGS = "the machine"

logger = logging.getLogger(__name__)


def _plain_timer(config: Config, precision: str, device: torch.device, num_steps: int) -> Callable[[], Timing]:
    return plain_timer(config, device, num_steps)


Timer = Callable[[Config, str, torch.device, int], Callable[[], Timing]]
"""(config, precision, device, steps) -> a function that trains so many steps."""

LOOPS: Mapping[str, Timer] = {
    "plain": _plain_timer,
    "eager": partial(torch_timer, engine="eager"),
    "compile": partial(torch_timer, engine="compile"),
}
"""What normbench's training may be timed against, by name."""


@dataclass(frozen=True)
class Plan:
    """How much is measured.

    steps: training steps of each process in a round. against: loops of LOOPS, also timed. num_busy: other programs that
    compute while each norm is timed once more; 0 for no such timing.
    """

    rounds: int
    steps: int
    against: tuple[str, ...] = ()
    num_busy: int = 0


def measure(
    configs: Sequence[Config],
    dataset: Dataset,
    machine: Machine,
    precision: str,
    plan: Plan,
) -> Bench:
    """Times training steps with the norm of each config, which are equal otherwise, and without norm.

    Everything that is timed has a process of its own with the machine's threads; it loads the data set from the cache.
    Logs a line a round. Raises ConfigError for a norm that does not fit the network, RunError for a process that dies.
    """
    names = ", ".join(config.norm.name for config in configs)
    logger.info(f"timing {names} and no norm; first a round that does not count")
    bare = configs[0].model_copy(update={"norm": Choice(WITHOUT)})
    by_norm = {WITHOUT: bare} | {config.norm.name: config for config in configs}
    task = task_of(dataset)
    macs = {norm: count_macs(build_network(config, task), task.image_shape) for norm, config in by_norm.items()}
    setting = Setting(machine.device, precision, normalization=dataset.normalization)
    measured: dict[str, str] = {}  # once for all norms, as in an experiment

    def decide(name: str, find: Callable[[], str]) -> str:
        return measured[name] if name in measured else measured.setdefault(name, find())

    with using_threads(machine.threads):
        engines = {
            norm: engine_of(config, build_network(config, task), dataset.train, setting, decide)
            for norm, config in by_norm.items()
        }
    asked = [norm for norm, config in by_norm.items() if norm != WITHOUT or config is not bare]
    threads = machine.threads
    assert threads is not None
    processes: dict[str, TimedProcess] = {}

    def start(name: str, *arguments: Any) -> None:
        processes[name] = TimedProcess(name, machine.device, threads, *arguments)

    try:
        for norm, config in by_norm.items():
            start(norm, training_timer, config, precision, machine.device, plan.steps, engines[norm])
        for loop in plan.against:
            for norm in asked:
                start(_other(loop, norm), LOOPS[loop], by_norm[norm], precision, machine.device, plan.steps)
        start(CEILINGS, ceilings, machine.device)
        beside = {_beside(norm): partial(_measure_beside, plan.num_busy, processes[norm]) for norm in asked}
        rounds = _rounds(processes, plan, beside if plan.num_busy else {})
        peaks = {name: process.finish() for name, process in processes.items()}
    finally:
        for process in processes.values():
            process.kill()

    def timings(norm: str, name: str) -> NormTimings:
        label = norm_label(norm, by_norm[norm].norm.options)
        laps = tuple(lap[name] for lap in rounds)
        is_ours = name in (norm, _beside(norm))
        return NormTimings(norm, label, macs[norm], laps, peaks.get(name), engines[norm] if is_ours else "")

    return Bench(
        norms=tuple(timings(norm, norm) for norm in by_norm),
        against={loop: {norm: timings(norm, _other(loop, norm)) for norm in asked} for loop in plan.against},
        ceilings=tuple(lap[CEILINGS] for lap in rounds),
        device=machine.device.type,
        precision=precision,
        num_busy=plan.num_busy,
        beside={norm: timings(norm, _beside(norm)) for norm in asked} if plan.num_busy else {},
    )


def _rounds(
    processes: Mapping[str, TimedProcess], plan: Plan, beside: Mapping[str, Callable[[], Any]]
) -> list[dict[str, Any]]:
    """What each process and each function of `beside` measured, by its name, round by round."""
    for process in processes.values():
        process.wait_until_ready()
    rounds = []
    measures = {name: process.measure for name, process in processes.items()} | dict(beside)
    for measured in rounds_in_turn(measures, plan.rounds, WARM_UP):
        rounds.append(measured)
        logger.info(f"round {len(rounds)} of {plan.rounds}")
    return rounds


def _measure_beside(num_busy: int, process: TimedProcess) -> Any:
    with busy_programs(num_busy):
        return process.measure()


def _beside(norm: str) -> str:
    return f"{norm} beside busy programs"


def _other(loop: str, norm: str) -> str:
    return f"the {loop} loop with {norm}"
