"""A process that trains one run after another and sends their events to its parent."""

import logging
import os
import signal
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection

from normbench.config import Config, DataConfig
from normbench.data.dataset import Dataset
from normbench.data.load import load_dataset
from normbench.errors import Interrupted, NormbenchError, resource_error
from normbench.files import write_bytes_atomically
from normbench.locks import LockLost
from normbench.runs.events import Event, Finished, GroupReport, Logged, Unfinished
from normbench.runs.execute import RunIsBusy, train_group
from normbench.runs.folder import RunFolder
from normbench.sweeps.pictures import drawn_beside
from normbench.train.machine import Machine

logger = logging.getLogger("normbench")

Numbered = tuple[int, Event]
"""An event, with the number of its run among those that were sent at once."""


@dataclass(frozen=True)
class RunRequest:
    """A run to train and its folder.

    `way`: how it trains together with runs that differ in their seed only, one of WAYS; None trains it alone.
    `restart`: whether it begins anew if it is finished or half done.
    """

    config: Config
    folder: RunFolder
    way: str | None = None
    restart: bool = False


def work(
    connection: "Connection[Numbered, Sequence[RunRequest] | None]", machine: Machine, environ: Mapping[str, str]
) -> None:
    """Trains the runs it receives until None comes or the parent is gone. Ctrl-C is left to the parent.

    Requests that come at once train together. `environ` is the parent's: a fork server keeps the one it began with.
    """
    os.environ.update(environ)
    if hasattr(os, "setpgrp"):
        os.setpgrp()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    loaded: dict[str, Dataset] = {}

    def send(number: int, event: Event) -> None:
        connection.send((number, event))

    with suppress(EOFError, BrokenPipeError, ConnectionResetError), logging_to(lambda text: send(0, Logged(text))):
        while requests := connection.recv():
            train_requests(requests, machine, send, loaded)


@contextmanager
def logging_to(send: Callable[[str], None]) -> Iterator[None]:
    """Within, each message for the user goes to `send` and nowhere else."""
    handler = logging.Handler()
    handler.emit = lambda record: send(record.getMessage())  # type: ignore[method-assign]
    before = logger.handlers, logger.level
    logger.handlers = [handler]
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.handlers = before[0]
        logger.setLevel(before[1])


def train_requests(
    requests: Sequence[RunRequest], machine: Machine, send: GroupReport, loaded: dict[str, Dataset]
) -> None:
    """Trains runs together and sends their events; the last one of each is Finished or Unfinished.

    `loaded`: the data sets of this process. A GPU need not wait for pictures: who asked for the runs draws them, see
    `drawing`. Raises what `send` raises if nobody listens any more.
    """
    going = dict(enumerate(requests))

    def report(number: int, event: Event) -> None:
        if isinstance(event, Finished | Unfinished):
            del going[number]
        send(number, event)

    def fail(number: int, error: Exception) -> None:
        if isinstance(error, BrokenPipeError | ConnectionResetError):  # of the connection: the parent is gone
            raise error
        report(number, _unfinished(requests[number].folder, error))

    try:
        dataset = _load(requests[0].config.data, loaded)
        runs = [(request.config, request.folder) for request in requests]
        first = requests[0]
        train_group(
            runs,
            dataset,
            machine,
            way=first.way,
            restart=first.restart,
            pictures=not drawn_beside(machine),
            report=report,
            on_error=fail,
        )
    except Exception as error:
        for number in list(going):
            fail(number, error)


def _load(config: DataConfig, loaded: dict[str, Dataset]) -> Dataset:
    key = repr(config.model_copy(update={"augment": (), "evaluate_on": "test"}))  # the rest decides the images
    if key not in loaded:
        loaded[key] = load_dataset(config, bar=False)
    return loaded[key]


def _unfinished(folder: RunFolder, error: Exception) -> Unfinished:
    """What an error means for a run; the traceback of a bug is written into the run's folder."""
    match error:
        case RunIsBusy() | LockLost():
            return Unfinished("busy", str(error))
        case Interrupted():
            return Unfinished("interrupted", str(error))
        case NormbenchError():
            return Unfinished("failed", str(error))
    if explained := resource_error(error):
        return Unfinished("failed", str(explained))
    with suppress(NormbenchError):
        write_bytes_atomically(folder.error, "".join(traceback.format_exception(error)).encode())
    return Unfinished("failed", f"{type(error).__name__}: {error} (traceback in {folder.error})")
