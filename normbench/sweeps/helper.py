"""How helper processes are started, by sweeps and by the bench."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_SAFE_PATH = "PYTHONSAFEPATH"


@contextmanager
def as_helper() -> Iterator[None]:
    """A process started within ignores Ctrl-C from its first moment, and imports nothing because it lies in a folder.

    Python starts the processes of `multiprocessing` with `-c`, which puts the current folder before the standard
    library: a `torch.py` there would be run. They still get the parent's `sys.path` before they do their work. Without
    the second signal handler, Ctrl-C while a process imports torch would end it with a traceback.
    """
    before = os.environ.get(_SAFE_PATH)
    os.environ[_SAFE_PATH] = "1"
    try:
        with _without_interrupt():
            yield
    finally:
        if before is None:
            del os.environ[_SAFE_PATH]
        else:
            os.environ[_SAFE_PATH] = before


@contextmanager
def _without_interrupt() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():  # where Python allows no signal handlers
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
