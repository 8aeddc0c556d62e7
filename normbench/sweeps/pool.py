"""Many runs on one machine: a few processes, each training one run at a time."""

import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerContext, SpawnContext
from multiprocessing.process import BaseProcess

from normbench.runs.stopping import StopRequest
from normbench.runs.together import alike_but_for_seed
from normbench.sweeps.worker import Ended, Message, Order, Workplace, work

POLL_S = 0.5
RETRY_S = 5.0  # between two looks at runs that another process trains
BYTES_PER_JOB = 3 * 2**29  # 1.5 GiB: what the hungriest norms take; bn, gn and ln about 1.1


@dataclass(frozen=True)
class RunEvent:
    """What became of a run, or how far it is; no two runs at a time have one `slot`, a number from 0."""

    order: Order
    slot: int
    message: Message


@dataclass(frozen=True)
class Waiting:
    """Nothing is left but runs that other processes train."""

    orders: tuple[Order, ...]


@dataclass(frozen=True)
class Stopping:
    """Ctrl-C came: the steps in hand are finished and checkpoints kept."""


Event = RunEvent | Waiting | Stopping


@dataclass
class _Worker:
    slot: int
    process: BaseProcess
    connection: "Connection[Sequence[Order] | None, tuple[int, Message]]"
    orders: dict[int, Order] = field(default_factory=dict)
    """What it is at, by number among those it was sent at once."""


def num_cores() -> int:
    """The processor cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def choose_jobs(num_runs: int, device: str) -> int:
    """A process a core, fewer where there are fewer runs or too little memory; on CUDA one."""
    if device == "cuda":
        return 1
    by_memory = num_runs
    if "SC_AVPHYS_PAGES" in os.sysconf_names:
        by_memory = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // BYTES_PER_JOB
    return max(1, min(num_cores(), num_runs, by_memory))


def train_all(orders: Sequence[Order], place: Workplace, jobs: int, *, fail_fast: bool = False) -> Iterator[Event]:
    """Trains all runs in up to `jobs` processes with the workplace's threads; yields as they go on.

    A process trains one at a time, or together those whose `way` says so and that differ in their seed only.
    A run that fails, or whose process dies, ends in its Ended message, and the others go on, unless `fail_fast`. Runs
    that other processes are training are tried again once nothing else is left. After Ctrl-C or SIGTERM each run is
    stopped after its step, with a checkpoint; the caller sees Stopping and the last Ended messages.
    """
    groups = _groups(orders)
    jobs, width = min(jobs, len(groups)), max(map(len, groups), default=1)
    to_do, busy = deque(groups), deque[Sequence[Order]]()
    workers: list[_Worker] = []
    retry_at = 0.0
    stopping = False
    with StopRequest() as stop:
        try:
            while True:
                if stop.requested and not stopping:
                    stopping = True
                    yield Stopping()
                    _stop(workers)
                if stopping:
                    to_do.clear()
                    busy.clear()
                if busy and not to_do and time.monotonic() >= retry_at:
                    to_do, busy = busy, deque()
                _hand_out(to_do, workers, jobs, place)
                if not to_do and not busy and not any(worker.orders for worker in workers):
                    break
                for event in _heard(workers, width):
                    yield event
                    match event.message:
                        case Ended(status="busy"):
                            busy.append([event.order])
                            retry_at = time.monotonic() + RETRY_S
                            if not to_do and not any(worker.orders for worker in workers):
                                yield Waiting(tuple(order for group in busy for order in group))
                        case Ended(status="failed") if fail_fast and not stopping:
                            stopping = True
                            _stop(workers)
            for worker in workers:
                _dismiss(worker)
        finally:
            for worker in workers:
                worker.process.kill()


def _groups(orders: Sequence[Order]) -> list[Sequence[Order]]:
    """In the order of their first run."""
    ways = {order.way for order in orders}
    groups: list[list[int]] = [[number] for number, order in enumerate(orders) if order.way is None]
    for way in ways - {None}:
        numbers = [number for number, order in enumerate(orders) if order.way == way]
        alike = alike_but_for_seed([orders[number].config for number in numbers])
        groups += [[numbers[place] for place in group] for group in alike]
    return [[orders[number] for number in group] for group in sorted(groups)]


def _hand_out(to_do: deque[Sequence[Order]], workers: list[_Worker], jobs: int, place: Workplace) -> None:
    """Every idle process gets runs, and processes are started while there are runs and fewer than `jobs` of them."""
    while to_do:
        idle = next((worker for worker in workers if not worker.orders), None)
        if idle is None:
            if len(workers) == jobs:
                return
            taken = {worker.slot for worker in workers}
            idle = _start(next(slot for slot in range(jobs) if slot not in taken), place)
            workers.append(idle)
        group = to_do.popleft()
        idle.orders = dict(enumerate(group))
        with suppress(BrokenPipeError):  # it died meanwhile: the next look tells
            idle.connection.send(group)


def _start(slot: int, place: Workplace) -> _Worker:
    context = _context()
    ours, theirs = context.Pipe()
    process = context.Process(target=work, args=(theirs, place, dict(os.environ)), daemon=True)
    with without_interrupt():  # or Ctrl-C while it imports torch would end it with a traceback
        process.start()
    theirs.close()
    return _Worker(slot, process, ours)


def _context() -> "ForkServerContext | SpawnContext":
    """Where there is a fork server, one process imports torch and all others begin as its copies, in no time."""
    if "forkserver" in multiprocessing.get_all_start_methods():
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["normbench.sweeps.worker"])
        return context
    return multiprocessing.get_context("spawn")


@contextmanager
def without_interrupt() -> Iterator[None]:
    """A process started in here ignores Ctrl-C from its first moment."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _heard(workers: list[_Worker], width: int) -> Iterator[RunEvent]:
    """What the workers have to say within a moment. One that died is struck off, and its runs have failed."""
    by_connection = {worker.connection: worker for worker in workers}
    for connection in wait(list(by_connection), timeout=POLL_S):
        worker = by_connection[connection]  # type: ignore[index]
        try:
            heard = [worker.connection.recv()]
        except (EOFError, ConnectionResetError):
            worker.process.join()
            workers.remove(worker)
            heard = [(number, _death(worker.process.exitcode)) for number in worker.orders]
        for number, message in heard:
            order = worker.orders.pop(number) if isinstance(message, Ended) else worker.orders.get(number)
            if order is not None:
                yield RunEvent(order, worker.slot * width + number, message)


def _death(exit_code: int | None) -> Ended:
    if exit_code == -signal.SIGTERM:
        return Ended("interrupted", message="stopped before its first step")
    if exit_code == -signal.SIGKILL:
        return Ended("failed", message="its process was killed, perhaps for lack of memory: try fewer --jobs")
    return Ended("failed", message=f"its process ended with exit code {exit_code}")


def _dismiss(worker: _Worker) -> None:
    with suppress(BrokenPipeError):
        worker.connection.send(None)
    worker.process.join()
    worker.connection.close()


def _stop(workers: Sequence[_Worker]) -> None:
    for worker in workers:
        worker.process.terminate()
