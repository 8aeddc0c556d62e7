"""Many runs on one machine: a few processes, each training one run, or one group of runs, at a time."""

import multiprocessing
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerContext, SpawnContext
from multiprocessing.process import BaseProcess

from normbench.runs.events import Event, Finished, Unfinished
from normbench.runs.interrupt import StopRequest
from normbench.sweeps.groups import alike_but_for_seed
from normbench.sweeps.helper import as_helper
from normbench.sweeps.worker import Numbered, RunRequest, work
from normbench.train.machine import Machine, num_cores

POLL_S = 0.5
RETRY_S = 5.0  # between two attempts at runs that another process trains
BYTES_PER_JOB = 3 * 2**29  # 1.5 GiB: what the hungriest norms take; bn, gn and ln about 1.1


@dataclass(frozen=True)
class RunEvent:
    """What happened to a run; no two runs at a time have the same `slot`, a number from 0."""

    request: RunRequest
    slot: int
    event: Event


@dataclass(frozen=True)
class Waiting:
    """Nothing is left but runs that other processes train."""

    requests: tuple[RunRequest, ...]


@dataclass(frozen=True)
class Stopping:
    """Ctrl-C came: each run finishes its step and keeps a checkpoint."""


PoolEvent = RunEvent | Waiting | Stopping


def choose_jobs(num_runs: int, machine: Machine) -> int:
    """A process a core, fewer where there are fewer runs or too little memory; on CUDA one."""
    if not machine.is_cpu:
        return 1
    by_memory = num_runs
    if "SC_AVPHYS_PAGES" in getattr(os, "sysconf_names", ()):  # not on Windows
        by_memory = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // BYTES_PER_JOB
    return max(1, min(num_cores(), num_runs, by_memory))


def train_all(
    requests: Sequence[RunRequest],
    machine: Machine,
    jobs: int,
    report: Callable[[PoolEvent], None],
    *,
    fail_fast: bool = False,
    retry_s: float = RETRY_S,
) -> None:
    """Trains all runs in up to `jobs` processes; `report` is called with each event.

    A process trains one run at a time, or a group: runs with the same `way` that differ in their seed only. The last
    event of a run is Finished or Unfinished. A run that fails, or whose process dies, does not hold up the others,
    unless `fail_fast`. Runs that other processes train are tried again, every `retry_s` seconds, once nothing else is
    left. After SIGINT or SIGTERM each run is stopped after its step, with a checkpoint.
    """
    with StopRequest() as stop, _Pool(requests, machine, jobs, retry_s) as pool:
        while pool.has_work:
            if stop.requested and not pool.is_stopping:
                report(Stopping())
                pool.stop()
            pool.hand_out()
            for heard in pool.heard():
                report(heard)
                match heard.event:
                    case Unfinished(status="busy"):
                        pool.try_later(heard.request)
                        if pool.only_waits:
                            report(Waiting(tuple(pool.busy)))
                    case Unfinished(status="failed") if fail_fast and not pool.is_stopping:
                        pool.stop()
        pool.dismiss()


@dataclass
class _Worker:
    """A process, and the runs that it trains, by their number in the group it was sent."""

    slot: int
    process: BaseProcess
    connection: "Connection[Sequence[RunRequest] | None, Numbered]"
    requests: dict[int, RunRequest] = field(default_factory=dict)


class _Pool:
    """The worker processes and the runs that wait for one; leaving it kills the processes."""

    def __init__(self, requests: Sequence[RunRequest], machine: Machine, jobs: int, retry_s: float) -> None:
        groups = _groups(requests)
        self._to_do = deque(groups)
        self.busy: list[RunRequest] = []
        self.is_stopping = False
        self._machine, self._retry_s, self._retry_at = machine, retry_s, 0.0
        self._jobs, self._width = min(jobs, len(groups)), max(map(len, groups), default=1)
        self._workers: list[_Worker] = []

    def __enter__(self) -> "_Pool":
        return self

    def __exit__(self, *error: object) -> None:
        for worker in self._workers:
            worker.process.kill()

    @property
    def has_work(self) -> bool:
        return bool(self._to_do or self.busy or self._is_training)

    @property
    def only_waits(self) -> bool:
        """Whether nothing is left but runs that other processes train."""
        return bool(self.busy) and not self._to_do and not self._is_training

    @property
    def _is_training(self) -> bool:
        return any(worker.requests for worker in self._workers)

    def hand_out(self) -> None:
        """Every idle process gets runs, and processes are started while runs wait and fewer than `jobs` are there."""
        if self.busy and not self._to_do and time.monotonic() >= self._retry_at:
            self._to_do.extend([request] for request in self.busy)
            self.busy.clear()
        while self._to_do:
            worker = next((worker for worker in self._workers if not worker.requests), None)
            if worker is None:
                if len(self._workers) == self._jobs:
                    return
                worker = self._start()
            group = self._to_do.popleft()
            worker.requests = dict(enumerate(group))
            with suppress(BrokenPipeError):  # the process died meanwhile, which `heard` will find
                worker.connection.send(group)

    def _start(self) -> _Worker:
        taken = {worker.slot for worker in self._workers}
        slot = next(slot for slot in range(self._jobs) if slot not in taken)
        context = _context()
        ours, theirs = context.Pipe()
        process = context.Process(target=work, args=(theirs, self._machine, dict(os.environ)), daemon=True)
        with as_helper():
            process.start()
        theirs.close()
        worker = _Worker(slot, process, ours)
        self._workers.append(worker)
        return worker

    def heard(self) -> Iterator[RunEvent]:
        """The events that come within POLL_S. The runs of a process that died have failed."""
        by_connection = {worker.connection: worker for worker in self._workers}
        for connection in wait(list(by_connection), timeout=POLL_S):
            worker = by_connection[connection]  # type: ignore[index]
            try:
                events = [worker.connection.recv()]
            except (EOFError, ConnectionResetError):
                worker.process.join()
                self._workers.remove(worker)
                events = [(number, _death(worker.process.exitcode)) for number in worker.requests]
            for number, event in events:
                is_last = isinstance(event, Finished | Unfinished)
                request = worker.requests.pop(number) if is_last else worker.requests.get(number)
                if request is not None:
                    yield RunEvent(request, worker.slot * self._width + number, event)

    def try_later(self, request: RunRequest) -> None:
        """Keeps a run that another process trains for another attempt, which takes what that process has made."""
        if not self.is_stopping:
            self.busy.append(replace(request, restart=False))
            self._retry_at = time.monotonic() + self._retry_s

    def stop(self) -> None:
        """Begins no further run; those in training stop after their step, with a checkpoint."""
        self.is_stopping = True
        self._to_do.clear()
        self.busy.clear()
        for worker in self._workers:
            worker.process.terminate()

    def dismiss(self) -> None:
        """Ends the idle processes and waits for them."""
        for worker in self._workers:
            with suppress(BrokenPipeError):
                worker.connection.send(None)
            worker.process.join()
            worker.connection.close()


def _groups(requests: Sequence[RunRequest]) -> list[Sequence[RunRequest]]:
    """The runs that train together, in the order of their first run."""
    ways = {request.way for request in requests}
    groups: list[list[int]] = [[number] for number, request in enumerate(requests) if request.way is None]
    for way in ways - {None}:
        numbers = [number for number, request in enumerate(requests) if request.way == way]
        alike = alike_but_for_seed([requests[number].config for number in numbers])
        groups += [[numbers[place] for place in group] for group in alike]
    return [[requests[number] for number in group] for group in sorted(groups)]


def _context() -> "ForkServerContext | SpawnContext":
    """Where there is a fork server, one process imports torch and all others begin as its copies, in no time."""
    if "forkserver" in multiprocessing.get_all_start_methods():
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["normbench.sweeps.worker"])
        return context
    return multiprocessing.get_context("spawn")


def prepare_start() -> None:
    """Has the fork server import torch meanwhile, where there is one, and a core to do it."""
    if isinstance(_context(), ForkServerContext) and num_cores() > 1:
        from multiprocessing import forkserver

        with as_helper():
            forkserver.ensure_running()


def _death(exit_code: int | None) -> Unfinished:
    if exit_code == -signal.SIGTERM:
        return Unfinished("interrupted", "stopped before its first step")
    if exit_code == -9:  # SIGKILL, a name that Windows lacks
        return Unfinished("failed", "its process was killed, perhaps for lack of memory: try fewer --jobs")
    return Unfinished("failed", f"its process ended with exit code {exit_code}")
