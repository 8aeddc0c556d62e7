"""A process that trains one run after another and tells its parent how it goes."""

import os
import signal
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Literal

import torch

from normbench.config import Config, DataConfig
from normbench.data import Dataset, load_dataset
from normbench.errors import Interrupted, NormbenchError, trouble_of_the_machine
from normbench.files import write_bytes_atomically
from normbench.runs.execute import Draw, EpochDone, Event, Finished, Load, Prepared, RunIsBusy, Say, Step, execute
from normbench.runs.folder import RunFolder
from normbench.runs.record import Record
from normbench.runs.together import Happening, execute_together
from normbench.train.setting import choose_device

TELL_S = 0.25  # between two messages about the steps of a run

Status = Literal["finished", "diverged", "already", "busy", "failed", "interrupted"]


@dataclass(frozen=True)
class Order:
    """A run to train and where.

    `way`: how it trains together with those that differ in their seed only, one of WAYS; None trains it alone.
    """

    config: Config
    folder: RunFolder
    way: str | None = None


@dataclass(frozen=True)
class Workplace:
    """What is the same for all runs of a sweep. `precision` is what `auto` means in all of them."""

    device: str
    threads: int
    precision: str
    draw: Draw


@dataclass(frozen=True)
class Advanced:
    """`done` is the fraction of the run's steps that are done, those of an earlier process included."""

    epoch: int
    done: float
    images_per_s: float


@dataclass(frozen=True)
class EpochEnded:
    row: Mapping[str, float]


@dataclass(frozen=True)
class Said:
    text: str


@dataclass(frozen=True)
class Ended:
    """`record` of a run that is over (finished or diverged, now or before), else None and a message that says why."""

    status: Status
    record: Record | None = None
    message: str = ""


Message = Advanced | EpochEnded | Said | Ended


def work(
    connection: "Connection[tuple[int, Message], Sequence[Order] | None]", place: Workplace, environ: Mapping[str, str]
) -> None:
    """Trains what it is sent until None comes, or nobody is there any more. The parent alone hears Ctrl-C.

    Orders that come at once train together; each message comes with the number of its order among them.
    `environ` is the parent's: a fork server keeps the one it began with.
    """
    os.environ.update(environ)
    if hasattr(os, "setpgrp"):
        os.setpgrp()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(place.threads)
    known: dict[str, Dataset] = {}

    def load(config: DataConfig, say: Say) -> Dataset:
        key = repr((config.source, config.dir, config.urls))
        if key not in known:
            known[key] = load_dataset(config, say, bar=False)
        return known[key]

    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while orders := connection.recv():
            for number, message in _messages(orders, place, load, lambda text: connection.send((0, Said(text)))):
                connection.send((number, message))


def _messages(orders: Sequence[Order], place: Workplace, load: Load, say: Say) -> Iterator[tuple[int, Message]]:
    """Each order's, by its number, of which the last is Ended."""
    going, told = dict(enumerate(orders)), dict.fromkeys(range(len(orders)), 0.0)
    try:
        for number, event in _events(orders, place, load, say):
            if isinstance(event, Step):
                if time.monotonic() - told[number] < TELL_S:
                    continue
                told[number] = time.monotonic()
            message = _message(orders[number], event)
            if isinstance(message, Ended):
                del going[number]
            yield number, message
    except (BrokenPipeError, ConnectionResetError):
        raise
    except Exception as error:
        for number, order in going.items():
            yield number, _message(order, error)


def _events(orders: Sequence[Order], place: Workplace, load: Load, say: Say) -> Iterator[Happening]:
    first = orders[0]
    if first.way is None:
        for event in execute(
            first.config, first.folder, place.device, say=say, draw=place.draw, precision=place.precision, load=load
        ):
            yield 0, event
        return
    yield from execute_together(
        [(order.config, order.folder) for order in orders],
        choose_device(place.device),
        way=first.way,
        say=say,
        draw=place.draw,
        precision=place.precision,
        load=load,
    )


def _message(order: Order, event: Event | Exception) -> Message:
    match event:
        case Prepared():
            return Advanced(0, 0.0, 0.0)
        case Step():
            done = (event.epoch + event.step / event.num_steps) / order.config.train.epochs
            return Advanced(event.epoch, done, event.images_per_s)
        case EpochDone():
            return EpochEnded(event.row)
        case Finished():
            return Ended("already" if event.already and event.record.metrics else event.record.status, event.record)
        case RunIsBusy():
            return Ended("busy", message=str(event))
        case Interrupted():
            return Ended("interrupted", message=str(event))
        case NormbenchError():
            return Ended("failed", message=str(event))
    if trouble := trouble_of_the_machine(event):
        return Ended("failed", message=str(trouble))
    with suppress(NormbenchError):
        write_bytes_atomically(order.folder.error, "".join(traceback.format_exception(event)).encode())
    return Ended("failed", message=f"{type(event).__name__}: {event} (traceback in {order.folder.error})")
