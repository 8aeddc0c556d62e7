"""Other programs that compute while something is timed."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

SETTLE_S = 0.1  # until the system has divided the cores anew

_PROGRAM = """
import os
parent = os.getppid()
print(flush=True)
while os.getppid() == parent:
    for _ in range(100_000):
        pass
"""


@contextmanager
def busy_programs(count: int) -> Iterator[None]:
    """Inside the block `count` programs compute, each of them enough to keep a core busy.

    Each has a session of its own, as a program in another terminal has: Linux divides the cores between sessions. They
    end with the block, and also if this process is killed.
    """
    processes: list[subprocess.Popen[bytes]] = []
    try:
        for _ in range(count):
            command = [sys.executable, "-I", "-S", "-c", _PROGRAM]
            processes.append(subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True))  # noqa: S603
        for process in processes:
            assert process.stdout is not None
            process.stdout.readline()  # it computes from now on
        time.sleep(SETTLE_S)
        yield
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            process.communicate()
