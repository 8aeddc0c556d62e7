"""A process for each thing that is timed, so that none shares another's memory or settings of PyTorch."""

import multiprocessing
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import torch

from normbench.errors import NormbenchError, RunError
from normbench.runs.environment import peak_memory_bytes, restart_peak_memory
from normbench.sweeps.helper import as_helper


@dataclass(frozen=True)
class _Bug:
    """The traceback of an exception that is no NormbenchError. Such an exception may not survive pickling."""

    traceback: str


class TimedProcess:
    """A process that calls `make(*arguments)` once, and the function that `make` returns at each `measure()`.

    An error in the process is raised in the parent: a NormbenchError as it is, any other as RuntimeError with its
    traceback. RunError if the process dies.
    """

    def __init__(
        self, name: str, device: torch.device, threads: int, make: Callable[..., Callable[[], Any]], *arguments: Any
    ) -> None:
        self.name = name
        # A forked process would share the parent's memory, and its peak would be lower than that of a run.
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, device, threads, make, arguments))
        with as_helper():
            self._process.start()
        theirs.close()

    def wait_until_ready(self) -> None:
        """Returns once `make` has returned in the process."""
        self._receive()

    def measure(self) -> Any:
        self._connection.send(True)
        return self._receive()

    def finish(self) -> int | None:
        """Ends the process; returns the peak of its memory since it was ready in bytes, None where that is unknown."""
        self._connection.send(False)
        peak: int | None = self._receive()
        self.kill()  # an orderly exit of Python would take another second
        return peak

    def kill(self) -> None:
        self._process.kill()
        self._process.join()
        self._connection.close()

    def _receive(self) -> Any:
        try:
            answer = self._connection.recv()
        except (EOFError, ConnectionResetError):
            self._process.join()
            code = self._process.exitcode
            raise RunError(
                f"the process that times {self.name} ended by itself (exit code {code}), {_why(code)}"
            ) from None
        if isinstance(answer, NormbenchError):
            raise answer
        if isinstance(answer, _Bug):
            raise RuntimeError(f"in the process that times {self.name}:\n{answer.traceback}")
        return answer


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
    """The main function of the process: answers each True with a measurement, and False with the peak memory."""
    try:
        torch.set_num_threads(threads)
        measure = make(*arguments)
        knows_peak = restart_peak_memory(device)  # what loading took is not what is measured
        connection.send(None)
        while connection.recv():
            connection.send(measure())
        connection.send(peak_memory_bytes(device) if knows_peak else None)
    except NormbenchError as error:
        connection.send(error)
    except (EOFError, BrokenPipeError):  # the parent is gone
        return
    except Exception:
        connection.send(_Bug(traceback.format_exc()))
