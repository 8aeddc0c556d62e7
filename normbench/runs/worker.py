"""A process that trains one run after another and tells its parent how it goes."""

import os
import signal
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Literal

import torch

from normbench.config import Config, DataConfig
from normbench.data import Dataset, load_dataset
from normbench.errors import Interrupted, NormbenchError, trouble_of_the_machine
from normbench.runs.execute import Draw, EpochDone, Finished, Prepared, RunIsBusy, Say, Step, execute
from normbench.runs.files import write_bytes_atomically
from normbench.runs.folder import RunFolder

TELL_S = 0.25  # between two messages about the steps of a run

Status = Literal["finished", "diverged", "already", "busy", "failed", "interrupted"]


@dataclass(frozen=True)
class Order:
    """A run to train and where."""

    config: Config
    folder: RunFolder


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
    record: Mapping[str, Any] | None = None
    message: str = ""


Message = Advanced | EpochEnded | Said | Ended


def work(connection: "Connection[Message, Order | None]", place: Workplace, environ: Mapping[str, str]) -> None:
    """Trains what it is sent until None comes, or nobody is there any more. The parent alone hears Ctrl-C.

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
        while (order := connection.recv()) is not None:
            for message in _messages(order, place, load, lambda text: connection.send(Said(text))):
                connection.send(message)


def _messages(order: Order, place: Workplace, load: Any, say: Say) -> Iterator[Message]:
    try:
        events = execute(
            order.config, order.folder, place.device, say=say, draw=place.draw, precision=place.precision, load=load
        )
        told = 0.0
        for event in events:
            match event:
                case Prepared():
                    yield Advanced(0, 0.0, 0.0)
                case Step() if (now := time.monotonic()) - told > TELL_S:
                    told = now
                    done = (event.epoch + event.step / event.num_steps) / order.config.train.epochs
                    yield Advanced(event.epoch, done, event.images_per_s)
                case EpochDone():
                    yield EpochEnded(event.row)
                case Finished():
                    yield Ended("already" if event.already else event.record["status"], event.record)
    except RunIsBusy as error:
        yield Ended("busy", message=str(error))
    except Interrupted as error:
        yield Ended("interrupted", message=str(error))
    except (BrokenPipeError, ConnectionResetError):
        raise
    except NormbenchError as error:
        yield Ended("failed", message=str(error))
    except Exception as error:
        if trouble := trouble_of_the_machine(error):
            yield Ended("failed", message=str(trouble))
            return
        with suppress(NormbenchError):
            write_bytes_atomically(order.folder.error, traceback.format_exc().encode())
        yield Ended("failed", message=f"{type(error).__name__}: {error} (traceback in {order.folder.error})")
