"""A process of its own for each that is timed, so that none runs under another's settings or in its memory."""

import multiprocessing
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import torch

from normbench.errors import NormbenchError, RunError
from normbench.runs.environment import peak_memory_bytes
from normbench.sweeps.pool import without_interrupt


@dataclass(frozen=True)
class _Bug:
    traceback: str


class Contender:
    """Starts a process that calls `make(*arguments)` once, and what that returns at each `measure()`.

    An error in the process is raised here: NormbenchError as it is; RunError if the process ends by itself.
    """

    def __init__(
        self, name: str, device: torch.device, threads: int, make: Callable[..., Callable[[], Any]], *arguments: Any
    ) -> None:
        self.name = name
        context = multiprocessing.get_context("spawn")  # forked, it would share memory, and hold less than a run does
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, device, threads, make, arguments))
        with without_interrupt():  # the parent alone hears Ctrl-C
            self._process.start()
        theirs.close()

    def wait_until_ready(self) -> None:
        self._heard()

    def measure(self) -> Any:
        self._connection.send(True)
        return self._heard()

    def finish(self) -> int:
        """Ends the process; the most memory it ever held, in bytes."""
        self._connection.send(False)
        peak: int = self._heard()
        self.kill()  # nothing is left to do, and ending by itself takes Python a second
        return peak

    def kill(self) -> None:
        self._process.kill()
        self._process.join()
        self._connection.close()

    def _heard(self) -> Any:
        try:
            heard = self._connection.recv()
        except (EOFError, ConnectionResetError):
            self._process.join()
            code = self._process.exitcode
            raise RunError(
                f"the process that times {self.name} ended by itself (exit code {code}), {_why(code)}"
            ) from None
        if isinstance(heard, NormbenchError):
            raise heard
        if isinstance(heard, _Bug):
            raise RuntimeError(f"in the process that times {self.name}:\n{heard.traceback}")
        return heard


def _why(exit_code: int | None) -> str:
    if exit_code == -9:
        return "perhaps for lack of memory: time fewer norms at once"
    return "and what it printed may say why"


def _serve(
    connection: "Connection[Any, bool]",
    device: torch.device,
    threads: int,
    make: Callable[..., Callable[[], Any]],
    arguments: tuple[Any, ...],
) -> None:
    try:
        torch.set_num_threads(threads)
        measure = make(*arguments)
        connection.send(None)
        while connection.recv():
            connection.send(measure())
        connection.send(peak_memory_bytes(device))
    except NormbenchError as error:
        connection.send(error)
    except (EOFError, BrokenPipeError):  # nobody is there any more
        return
    except Exception:
        connection.send(_Bug(traceback.format_exc()))
