"""Many runs on one machine: a few processes, each training one run, or one group of runs, at a time."""

import multiprocessing
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerContext, SpawnContext
from multiprocessing.process import BaseProcess

from normbench.runs.events import Unfinished
from normbench.sweeps.executor import Ended, Told
from normbench.sweeps.helper import as_helper
from normbench.sweeps.worker import Numbered, RunRequest, work
from normbench.train.machine import Machine, num_cores

BYTES_PER_JOB = 3 * 2**29  # 1.5 GiB: what the hungriest norms take; bn, gn and ln about 1.1


def choose_jobs(num_runs: int, machine: Machine) -> int:
    """A process a core, fewer where there are fewer runs or too little memory; on CUDA one."""
    if not machine.is_cpu:
        return 1
    by_memory = num_runs
    if "SC_AVPHYS_PAGES" in getattr(os, "sysconf_names", ()):  # not on Windows
        by_memory = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // BYTES_PER_JOB
    return max(1, min(num_cores(), num_runs, by_memory))


@dataclass
class _Worker:
    """A process that trains a group at a time."""

    process: BaseProcess
    connection: "Connection[Sequence[RunRequest] | None, Numbered]"


class LocalPool:
    """Up to `jobs` processes of this machine, one for each slot; see `Executor`.

    A group whose process dies has failed. A process that is idle trains the next group.
    """

    def __init__(self, machine: Machine, jobs: int) -> None:
        self._machine, self._jobs = machine, jobs
        self._workers: dict[int, _Worker] = {}

    def __enter__(self) -> "LocalPool":
        return self

    def __exit__(self, *error: object) -> None:
        for worker in self._workers.values():
            worker.process.kill()

    @property
    def capacity(self) -> int:
        return self._jobs

    def submit(self, slot: int, group: Sequence[RunRequest]) -> None:
        if slot not in self._workers:
            self._workers[slot] = self._start()
        with suppress(BrokenPipeError):  # the process died meanwhile, which `heard` will find
            self._workers[slot].connection.send(group)

    def _start(self) -> _Worker:
        context = _context()
        ours, theirs = context.Pipe()
        process = context.Process(target=work, args=(theirs, self._machine, dict(os.environ)), daemon=True)
        with as_helper():
            process.start()
        theirs.close()
        return _Worker(process, ours)

    def heard(self, timeout_s: float) -> Iterator[Told | Ended]:
        slots = {worker.connection: slot for slot, worker in self._workers.items()}
        for connection in wait(list(slots), timeout=timeout_s):
            slot = slots[connection]  # type: ignore[index]
            worker = self._workers[slot]
            try:
                yield Told(slot, *worker.connection.recv())
            except (EOFError, ConnectionResetError):
                worker.process.join()
                del self._workers[slot]
                yield Ended(slot, _death(worker.process.exitcode))

    def stop(self) -> None:
        for worker in self._workers.values():
            worker.process.terminate()

    def dismiss(self) -> None:
        for worker in self._workers.values():
            with suppress(BrokenPipeError):
                worker.connection.send(None)
            worker.process.join()
            worker.connection.close()


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
