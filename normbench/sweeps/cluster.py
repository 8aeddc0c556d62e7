"""The nodes of a Ray cluster as an executor: a task for each group of runs. Ray is imported by nothing else."""

import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from normbench.errors import ConfigError
from normbench.files import make_writable
from normbench.runs.events import Finished, Unfinished
from normbench.sweeps.executor import Ended, Told
from normbench.sweeps.node import Home, Report, look_at, signed_home, train_here
from normbench.sweeps.pool import BYTES_PER_JOB
from normbench.sweeps.progress import FolderProgress
from normbench.sweeps.worker import RunRequest
from normbench.text import plural
from normbench.train.machine import Machine

logger = logging.getLogger(__name__)

NODES_S = 5.0  # between two looks at which nodes there are
CHECK_S = 120.0  # a node that has not answered by then is not waited for
SPARE = 1.25  # memory that is asked for, as a multiple of what such a run was seen to take

_QUIET = {
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",  # what Ray prints on its own stdout would come between our lines
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # and a warning that concerns nobody here
}


def connect(address: str) -> Any:
    """Ray, connected to the cluster at `address`; `auto` finds the one that this machine belongs to.

    Raises ConfigError without the package, and for an address where no cluster answers.
    """
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    try:
        import ray
    except ImportError as error:
        raise ConfigError("--on ray: Ray is not installed here; pip install 'normbench[ray]' does it") from error
    if address.startswith("ray://"):
        raise ConfigError(f"--on ray={address}: start the sweep on a node of the cluster, with --on ray")
    if not ray.is_initialized():
        try:
            ray.init(address=address, log_to_driver=False, configure_logging=False, logging_level=logging.ERROR)
        except (ConnectionError, RuntimeError, ValueError) as error:
            why = str(error).strip().partition("\n")[0]
            raise ConfigError(
                f"--on ray: no cluster at {address} ({why}): ray start --head starts one on this machine"
            ) from error
    return ray


def num_groups(address: str, machine: Machine) -> int:
    """The groups of runs that the nodes can train at a time, at least 1. Raises what `connect` raises."""
    return max(1, sum(_on_node(node["Resources"], machine) for node in _alive(connect(address))))


def _alive(ray: Any) -> list[Mapping[str, Any]]:
    return [node for node in ray.nodes() if node["Alive"]]


def _on_node(resources: Mapping[str, float], machine: Machine) -> int:
    by_cpu = int(resources.get("CPU", 0) // (machine.threads or 1))
    return min(by_cpu, int(resources.get("GPU", 0))) if machine.is_cuda else by_cpu


@dataclass
class _Task:
    slot: int
    group: Sequence[RunRequest]


class RayCluster:
    """Each group is a Ray task on whichever node has room for it; see `Executor`.

    What happens within a run is read from its folder. `jobs` None takes what the nodes carry. `data` is the place of
    the images, if they have one.
    """

    def __init__(self, address: str, machine: Machine, jobs: int | None, experiment: Path, data: Path | None) -> None:
        self._ray = connect(address)
        self._machine, self._jobs, self._experiment, self._data = machine, jobs, experiment, data
        self._tasks: dict[Any, _Task] = {}
        self._progress = FolderProgress()
        self._memory: dict[str, int] = {}
        self._looked_at = 0.0
        self._capacity = 1
        self._largest = BYTES_PER_JOB
        self._open = ExitStack()

    def __enter__(self) -> "RayCluster":
        """Raises ConfigError, which names what differs, if a node is unlike this machine."""
        with self._open as stack:
            make_writable(self._experiment)
            self._home = stack.enter_context(signed_home(self._experiment, self._data))
            _check(self._ray, self._home)
            self._open = stack.pop_all()
        self._sent_home = self._ray.put(self._home)
        self._train = self._ray.remote(train_here)
        self._look_at_nodes()
        return self

    def __exit__(self, *error: object) -> None:
        for ref in self._tasks:
            with suppress(Exception):
                self._ray.cancel(ref, force=True)
        self._open.close()

    @property
    def capacity(self) -> int:
        return self._jobs or self._capacity

    def submit(self, slot: int, group: Sequence[RunRequest]) -> None:
        options = {
            "num_cpus": self._machine.threads or 1,
            "num_gpus": 1 if self._machine.is_cuda else 0,
            "memory": min(self._memory_of(group), self._largest),
            "max_retries": 0,  # the queue tries again, and counts
            "name": group[0].folder.path.name,
        }
        ref = self._train.options(**options).remote(self._sent_home, list(group), self._machine)
        self._tasks[ref] = _Task(slot, group)
        self._progress.begin(slot, group)

    def _memory_of(self, group: Sequence[RunRequest]) -> int:
        """What the runs of such a norm were measured to take, where they computed in this memory."""
        return self._memory.get(group[0].config.norm.name, BYTES_PER_JOB)

    def heard(self, timeout_s: float) -> Iterator[Told | Ended]:
        if not self._tasks:
            time.sleep(timeout_s)
            return
        over, _ = self._ray.wait(list(self._tasks), num_returns=1, timeout=timeout_s, fetch_local=False)
        if over:
            over, _ = self._ray.wait(list(self._tasks), num_returns=len(self._tasks), timeout=0, fetch_local=False)
        for ref in over:
            yield from self._end(self._tasks.pop(ref), ref)
        yield from self._progress.look()
        if time.monotonic() - self._looked_at >= NODES_S:
            self._look_at_nodes()

    def _end(self, task: _Task, ref: Any) -> Iterator[Told | Ended]:
        self._progress.end(task.slot)
        try:
            told = self._ray.get(ref)
        except Exception as error:
            yield Ended(task.slot, _end_of(error, self._ray.exceptions))
            return
        for number, event in told:
            if isinstance(event, Finished):
                self._measured(task.group[number], event)
            yield Told(task.slot, number, event)

    def _measured(self, request: RunRequest, end: Finished) -> None:
        peak, norm = end.record.timing.peak_memory_bytes, request.config.norm.name
        if peak and self._machine.is_cpu:
            self._memory[norm] = max(self._memory.get(norm, 0), int(peak * SPARE))

    def _look_at_nodes(self) -> None:
        self._looked_at = time.monotonic()
        resources = [node["Resources"] for node in _alive(self._ray)]
        self._capacity = max(1, sum(_on_node(each, self._machine) for each in resources))
        self._largest = max((int(each.get("memory", 0)) for each in resources), default=0) or BYTES_PER_JOB

    def stop(self) -> None:
        for ref in self._tasks:
            self._ray.cancel(ref, force=False)

    def dismiss(self) -> None:
        pass


def _check(ray: Any, home: Home) -> None:
    """The first task on each node. Raises ConfigError if a node differs; logs what need not trouble."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    look, reports = ray.remote(look_at), []
    for node in _alive(ray):
        there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        reports.append(look.options(num_cpus=0, scheduling_strategy=there, max_retries=1).remote(home))
    found: list[Report] = []
    answered, silent = ray.wait(reports, num_returns=len(reports), timeout=CHECK_S)
    for ref in answered:
        try:
            found.append(ray.get(ref))
        except ray.exceptions.RayTaskError as error:  # normbench cannot be imported there, say
            raise ConfigError(f"--on ray: a node cannot run normbench: {str(error.cause or error).strip()}") from error
        except ray.exceptions.RayError:  # the node went away meanwhile
            silent.append(ref)
    if unlike := [report for report in found if report.differences]:
        lines = "\n".join(f"  {report.name}: {'; '.join(report.differences)}" for report in unlike)
        raise ConfigError(f"--on ray: {plural(len(unlike), 'node')} cannot train the runs of this machine:\n{lines}")
    if silent:
        logger.info(f"note: {plural(len(silent), 'node')} did not answer; runs may still train there later")
    if not all(report.sees_locks for report in found):
        logger.info("note: locks of this file system end at each node; leases keep the runs apart")
    if len(processors := sorted({report.processor for report in found})) > 1:
        logger.info(f"note: nodes with different processors, so bits may differ: {'; '.join(processors)}")


def _end_of(error: Exception, exceptions: Any) -> Unfinished:
    """What the failure of a task means for its runs."""
    match error:
        case exceptions.TaskCancelledError():
            return Unfinished("interrupted", "stopped before its first step")
        case exceptions.NodeDiedError() | exceptions.LocalRayletDiedError():
            return Unfinished("lost", "its node was lost")
        case exceptions.OutOfMemoryError():
            return Unfinished("lost", "its node had too little memory")
        case exceptions.WorkerCrashedError():
            return Unfinished("lost", "its process was killed")
    return Unfinished("failed", f"{type(error).__name__}: {str(error).strip().splitlines()[-1]}")
