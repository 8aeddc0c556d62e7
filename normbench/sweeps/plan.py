"""What a sweep has to train, what is done already, and how long the rest will take."""

import heapq
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from normbench.config import Config
from normbench.data.dataset import Dataset
from normbench.errors import ConfigError, RunError
from normbench.models.budget import check_budget
from normbench.models.registry import MODELS
from normbench.runs.also_test import is_tested_also
from normbench.runs.build import build_network, task_of
from normbench.runs.folder import experiment_of
from normbench.runs.machines import decided, decided_precision
from normbench.runs.outside import is_from_outside
from normbench.runs.read import RecordError, finished_record
from normbench.runs.record import Record
from normbench.runs.run_id import folder_of, kind_id
from normbench.sweeps.estimate import common_precision, group_seconds, run_seconds
from normbench.sweeps.groups import alike_but_for_seed
from normbench.sweeps.overhead import measure_overhead
from normbench.sweeps.pool import choose_jobs
from normbench.sweeps.worker import RunRequest
from normbench.train.machine import TESTED, Machine, num_cores
from normbench.train.passes import WAYS

LONG_S = 300.0  # of a run whose overhead is not worth measuring


@dataclass(frozen=True)
class Plan:
    """Runs to train in `jobs` processes, each on `machine`, and those whose record is there already.

    `seconds`: what each run of `to_do` takes in its process; a run that trains in a group takes its share. `start_s`:
    the start of a process.
    """

    to_do: tuple[RunRequest, ...]
    done: tuple[RunRequest, ...]
    seconds: tuple[float, ...]
    jobs: int
    machine: Machine
    start_s: float = 0.0

    @property
    def total_s(self) -> float:
        """Each process takes the next run as soon as it is free."""
        free_at = [0.0] * self.jobs
        for seconds in self.seconds:
            heapq.heapreplace(free_at, free_at[0] + seconds)
        return self.start_s + max(free_at)


def requests_for(configs: Sequence[Config], results: Path, *, restart: bool = False) -> list[RunRequest]:
    return [RunRequest(config, folder_of(config, results), restart=restart) for config in configs]


def make_plan(
    requests: Sequence[RunRequest],
    dataset: Dataset,
    machine: Machine,
    jobs: int | None = None,
    together: str = "auto",
    *,
    keep: bool = True,
) -> Plan:
    """A plan for at least one run; `jobs` or `machine.threads` None takes what the machine carries.

    `together`: how runs that differ in their seed only train, one of WAYS or "off"; "auto" is off, and on CUDA the
    way that a few steps show to be fastest for each norm.
    Where `train.precision` is auto, all runs get the same, so that no difference between norms is one between
    precisions. What is chosen by measuring is chosen once for an experiment on a machine, see `decided`; `keep`:
    whether to write new choices down. On the CPU, where the number of threads changes bits, each run has one thread by
    default, however many run at a time. Raises ConfigError for a network over its budget, DataError if runs were
    finished on other data.
    """
    _check_budgets(requests, dataset)
    records = [(request, _record_of(request, dataset)) for request in requests]
    done = tuple(request for request, record in records if record)
    to_do = tuple(request for request, record in records if not record)
    jobs = min(jobs or choose_jobs(len(to_do), machine), max(len(to_do), 1))
    threads = machine.threads or (1 if machine.is_cpu else max(1, num_cores() // jobs))
    machine = replace(machine, threads=threads)
    machine = replace(machine, precision=_precision(requests, dataset, machine, keep=keep))
    if together not in ("auto", "off") and machine.device.type not in TESTED:
        raise ConfigError(f"--together {together}: runs train together on a CPU or with CUDA only; leave it out")
    if together == "off" or (together == "auto" and not machine.is_cuda):
        seconds = run_seconds([request.config for request in to_do], dataset, machine)
        return _with_overhead(Plan(to_do, done, tuple(seconds), jobs, machine), dataset)
    planned = _together(to_do, dataset, machine, _ways(together, requests), keep=keep)
    to_do, shares = tuple(request for request, _ in planned), tuple(seconds for _, seconds in planned)
    return _with_overhead(Plan(to_do, done, shares, jobs, machine), dataset)


def _ways(together: str, requests: Sequence[RunRequest]) -> list[str]:
    """The ways to choose from. Raises ConfigError for networks from outside that are to be one wide network.

    `side_by_side` relies on how normbench's own networks treat the channels.
    """
    outside = next((it.config.model.name for it in requests if it.config.model.name not in MODELS), None)
    if outside is None:
        return list(WAYS) if together == "auto" else [together]
    if together == "wide":
        raise ConfigError(f"--together wide is for normbench's own networks, not for {outside!r}: use lanes")
    return ["lanes"]


def _with_overhead(plan: Plan, dataset: Dataset) -> Plan:
    """The plan with the time that runs take besides training, unless their training is so long that it is nothing."""
    if not plan.seconds or min(plan.seconds) > LONG_S:
        return plan
    overhead = measure_overhead(plan.to_do[0].config, dataset, plan.machine)
    seconds = [
        seconds + overhead.run_s + overhead.epoch_s * request.config.train.epochs
        for request, seconds in zip(plan.to_do, plan.seconds, strict=True)
    ]
    return replace(plan, seconds=tuple(seconds), start_s=overhead.start_s)


def _precision(requests: Sequence[RunRequest], dataset: Dataset, machine: Machine, *, keep: bool) -> str:
    """What `train.precision: auto` means here, or what the first request's config says if none is auto.

    Measured with a norm of normbench's own where there is one: a norm from outside may fail.
    """
    requests = sorted(requests, key=lambda it: is_from_outside(it.config))
    first = next((it for it in requests if it.config.train.precision == "auto"), requests[0])

    def measure() -> str:
        return common_precision(first.config, dataset, machine)

    if first.config.train.precision != "auto":
        return measure()
    return decided_precision(experiment_of(first.folder), machine.device, measure, keep=keep)


def _together(
    requests: Sequence[RunRequest], dataset: Dataset, machine: Machine, ways: Sequence[str], *, keep: bool
) -> list[tuple[RunRequest, float]]:
    """Each request with the fastest of the ways for its group, and its share of the seconds the group takes."""
    planned: dict[int, tuple[RunRequest, float]] = {}
    for numbers in alike_but_for_seed([request.config for request in requests]):
        group = [requests[number] for number in numbers]
        way, seconds = _way(group, dataset, machine, ways, keep=keep)
        for number in numbers:
            planned[number] = replace(requests[number], way=way), seconds / len(group)
    return [planned[number] for number in sorted(planned)]


def _way(
    group: Sequence[RunRequest], dataset: Dataset, machine: Machine, ways: Sequence[str], *, keep: bool
) -> tuple[str, float]:
    """The way that is chosen for this kind of run, the fastest where there are several, and the group's seconds."""
    configs = [request.config for request in group]
    seconds: dict[str, float] = {}

    def fastest() -> str:
        for way in ways:
            # a device may be unable to do it: too little memory, say, or too many groups in a conv
            with suppress(RuntimeError):
                seconds[way] = group_seconds(configs, dataset, machine, way)
        if not seconds:
            raise RunError(f"{len(group)} runs cannot train together on this device; --together off trains each alone")
        return min(seconds, key=lambda way: seconds[way])

    if len(ways) == 1:
        return ways[0], group_seconds(configs, dataset, machine, ways[0])
    experiment, name = experiment_of(group[0].folder), f"together.{kind_id(configs[0])}"
    way = decided(experiment, machine.device, name, ways, fastest, keep=keep)
    if way not in seconds:  # chosen earlier, perhaps for fewer runs
        try:
            seconds[way] = group_seconds(configs, dataset, machine, way)
        except RuntimeError:
            way = fastest()
    return way, seconds[way]


def _check_budgets(requests: Sequence[RunRequest], dataset: Dataset) -> None:
    """Checks each network with the classes of the data set, before any run begins."""
    checked = []
    for request in requests:
        config = request.config
        network = (config.norm, config.model, config.budget)
        if network not in checked:
            check_budget(build_network(config, task_of(dataset)), config.budget.max_parameters)
            checked.append(network)


def _record_of(request: RunRequest, dataset: Dataset) -> Record | None:
    """The record of a finished run; None for another, or a damaged record, which the run's process will report."""
    if request.restart:
        return None
    try:
        record = finished_record(request.folder, dataset.fingerprint) if request.folder.is_finished else None
    except RecordError:
        return None
    return record if record and is_tested_also(request.config, record) else None
