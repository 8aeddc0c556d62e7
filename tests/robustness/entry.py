"""Runs the command line in this process as a shell would, with a time limit."""

import contextlib
import io
import re
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from normbench.cli.main import main


class Hang(BaseException):
    """The command ran longer than allowed."""


@dataclass(frozen=True)
class Ended:
    """How a command ended. seconds: CPU time."""

    code: int
    stdout: str
    stderr: str
    seconds: float

    def traceback(self) -> str:
        """The log of a bug, which the message names; the log is removed."""
        log = re.search(r"report it with (\S+\.log)", self.stderr)
        if log is None:
            return self.stderr
        path = Path(log.group(1))
        text = path.read_text()
        path.unlink()
        return text


def run_main(arguments: Sequence[object], limit_s: float) -> Ended:
    """Calls `normbench` with the arguments. Raises Hang after `limit_s` seconds of CPU time."""
    stdout, stderr = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.TextIOWrapper(io.BytesIO(), "utf-8")
    argv, sys.argv = sys.argv, ["normbench", *map(str, arguments)]
    start = time.process_time()
    code: object = 0
    try:
        with time_limit(limit_s), contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
            main()
    except SystemExit as end:
        code = end.code
    finally:
        sys.argv = argv
    return Ended(int(code or 0), _text(stdout), _text(stderr), time.process_time() - start)  # type: ignore[call-overload]


def _text(stream: io.TextIOWrapper) -> str:
    stream.flush()
    return stream.buffer.getvalue().decode()  # type: ignore[attr-defined]


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raises Hang after `seconds` of CPU time, or 30 times as many of waiting, for the machine may be busy."""

    def stop(signum: int, frame: object) -> None:
        raise Hang(f"still at it after {seconds:g} s of computing, or thirty times as many of waiting ({signum})")

    timers = {signal.SIGPROF: signal.ITIMER_PROF, signal.SIGALRM: signal.ITIMER_REAL}
    before = {number: signal.signal(number, stop) for number in timers}
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.setitimer(signal.ITIMER_REAL, 30 * seconds)
    try:
        yield
    finally:
        for number, timer in timers.items():
            signal.setitimer(timer, 0)
            signal.signal(number, before[number])
