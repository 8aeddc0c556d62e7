"""Starts normbench in a fork of this process, and ends it in every way in which a process ends too early.

Importing torch takes longer than a tiny run, and a fork has imported it. The workers of a sweep are forks too. The
plan of a sweep is not measured here: torch cannot compute in a fork after gradients were computed in the parent.
"""

import ctypes
import multiprocessing.util
import os
import random
import re
import resource
import signal
import stat
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported: a fork cannot use the threads of its parent

import matplotlib.figure  # noqa: F401  # what normbench imports late, so that each fork has it
import scipy.stats  # noqa: F401

import normbench.sweeps.overhead
import normbench.sweeps.plan
import normbench.sweeps.pool
import normbench.sweeps.queue
from normbench.cli.main import main

PR_SET_CHILD_SUBREAPER = 36  # from <sys/prctl.h>
POLL_S = 0.005
MOST_POLLS = 60_000  # polls, not seconds: on a busy machine nothing may run for a while
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)


class Hangs(Exception):
    """A process did not end."""


@dataclass(eq=False)
class Attempt:
    """A process, and the file with its stdout and stderr."""

    pid: int
    output: Path
    started: float = field(default_factory=time.monotonic)
    code: int | None = None

    @property
    def text(self) -> str:
        return self.output.read_text(errors="replace")


def adopt_orphans() -> None:
    """Makes the workers of a killed sweep children of this process, so that it can wait for them."""
    assert ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1) == 0


def begin(
    arguments: Sequence[object], output: Path, arm: Callable[[], None] | None = None, *, anew: bool = False
) -> Attempt:
    """Runs the command line in a fork, in a new session. `arm` is called in the fork first.

    With `anew` a new Python is started instead, as by a user; `arm` has no effect there.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        _be_normbench([str(argument) for argument in arguments], output, arm, anew)
    return Attempt(pid, output)


def _be_normbench(arguments: list[str], output: Path, arm: Callable[[], None] | None, anew: bool) -> NoReturn:
    code = 99
    try:
        os.setsid()
        descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for standard in (1, 2):
            os.dup2(descriptor, standard)
        if anew:
            os.execv(sys.executable, [sys.executable, "-m", "normbench", *arguments])
        tempfile.tempdir = None  # makes tempfile read TMPDIR again
        sys.argv[:] = ["normbench", *arguments]
        pool: Any = normbench.sweeps.pool
        plan: Any = normbench.sweeps.plan
        pool._context = lambda: multiprocessing.get_context("fork")
        normbench.sweeps.queue.train_all.__kwdefaults__["retry_s"] = 0.5
        pool.work = partial(_without_the_parents_ends, pool.work)
        plan.run_seconds = lambda configs, *_: [1.0] * len(configs)
        plan.group_seconds = lambda *_: 1.0
        plan.measure_overhead = lambda *_: normbench.sweeps.overhead.Overhead()
        if arm:
            arm()
        try:
            main()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 0
        multiprocessing.util._exit_function()  # type: ignore[attr-defined]
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _without_the_parents_ends(work: Callable[..., None], connection: Any, *arguments: object) -> None:
    """Closes the parent's ends of all connections: a fork inherits them, and would wait for itself to send requests."""
    for entry in list(Path("/proc/self/fd").iterdir()):
        descriptor = int(entry.name)
        with suppress(OSError):  # the descriptor of the listing itself
            if stat.S_ISSOCK(os.fstat(descriptor).st_mode) and descriptor != connection.fileno():
                os.close(descriptor)
    work(connection, *arguments)


def finish(attempts: Sequence[Attempt], *, descendants: bool = True) -> None:
    """Waits for the attempts, and with `descendants` for the processes that they left running."""
    open_ = {attempt.pid: attempt for attempt in attempts if attempt.code is None}
    polls = 0
    while open_ or descendants:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid in open_:
            open_.pop(pid).code = os.waitstatus_to_exitcode(status)
        elif pid == 0:
            polls += 1
            if polls > MOST_POLLS:
                raise Hangs(f"{[attempt.text[-500:] for attempt in attempts]}")
            time.sleep(POLL_S)


def kill_later(attempt: Attempt, after_s: float, number: signal.Signals, whom: str, rng: random.Random) -> None:
    """After a while sends a signal to the process `itself`, to `all` of its session, or to a random `worker`."""
    if _outlived(attempt, after_s):
        return
    targets = {"itself": [attempt.pid], "all": session(attempt.pid)}.get(whom)
    if targets is None:
        workers = [pid for pid in session(attempt.pid) if pid != attempt.pid and _is_python(pid)]
        targets = [rng.choice(workers)] if workers else []
    for pid in targets:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _is_python(pid: int) -> bool:
    """Whether it is no git: if git is killed, a record lacks its commit."""
    with suppress(OSError):
        return "git" not in Path(f"/proc/{pid}/comm").read_text()
    return False


def starve_later(attempt: Attempt, after_s: float, rng: random.Random) -> None:
    """After a while limits the process to hardly more memory than it has."""
    if _outlived(attempt, after_s):
        return
    with suppress(OSError, AttributeError):
        found = re.search(r"VmSize:\s+(\d+)", Path(f"/proc/{attempt.pid}/status").read_text())
        limit = int(found.group(1)) * 1024 + rng.randrange(2**22)  # type: ignore[union-attr]
        resource.prlimit(attempt.pid, resource.RLIMIT_AS, (limit, limit))


def _outlived(attempt: Attempt, after_s: float) -> bool:
    """Whether the process ended within `after_s` seconds."""
    while (left := attempt.started + after_s - time.monotonic()) > 0:
        pid, status = os.waitpid(attempt.pid, os.WNOHANG)
        if pid:
            attempt.code = os.waitstatus_to_exitcode(status)
            return True
        time.sleep(min(left, 0.01))
    return False


def session(leader: int) -> list[int]:
    """The processes of a session. The workers of a sweep leave its process group but stay in its session."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError, IndexError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                if int(fields[3]) == leader and fields[0] != "Z":
                    found.append(int(entry.name))
    return found


@dataclass
class Fuse:
    """Ends the process at its `left`-th step of changing files, counted from 0 in each fork.

    A step is before or after an fsync, before a rename, or before a removal. `how` is a signal's name, or `exit`.
    """

    left: int
    how: str
    cut: float
    """Share of a file's bytes that are left at a SIGKILL or exit, as if it came while they were written; 1: all."""

    def arm(self) -> None:
        fsync, replace, unlink = os.fsync, Path.replace, Path.unlink

        def stepping_fsync(descriptor: int) -> None:
            self.step(descriptor)
            fsync(descriptor)
            self.step()

        def stepping_replace(path: Path, target: Path) -> Path:
            self.step()
            return replace(path, target)

        def stepping_unlink(path: Path, missing_ok: bool = False) -> None:
            self.step()
            unlink(path, missing_ok)

        os.fsync = stepping_fsync  # type: ignore[assignment]
        Path.replace, Path.unlink = stepping_replace, stepping_unlink  # type: ignore[method-assign,assignment]

    def step(self, descriptor: int | None = None) -> None:
        self.left -= 1
        if self.left == -1:
            self.go_off(descriptor)

    def go_off(self, descriptor: int | None) -> None:
        if descriptor is not None and self.how in ("SIGKILL", "exit") and self.cut < 1:
            status = os.fstat(descriptor)
            if stat.S_ISREG(status.st_mode):
                os.ftruncate(descriptor, int(status.st_size * self.cut))
        if self.how == "exit":
            os._exit(137)
        os.kill(os.getpid(), signal.Signals[self.how])
