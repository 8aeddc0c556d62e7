"""What a sweep does on another machine: checks that it is like the one that started the sweep, and trains runs there.

Imports torch only to train.
"""

import logging
import os
import platform
import secrets
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import Timeout

import normbench
from normbench.files import holding, read_regular, write_bytes_atomically
from normbench.text import printable

if TYPE_CHECKING:
    from normbench.data.dataset import Dataset
    from normbench.runs.events import Event
    from normbench.sweeps.worker import Numbered, RunRequest
    from normbench.train.machine import Machine

logger = logging.getLogger("normbench")

_NAMED = ("NORMBENCH_", "ONEDNN_", "DNNL_", "MKL_", "NVIDIA_TF32", "TORCH_ALLOW_TF32", "CUBLAS_")
"""Beginnings of the environment variables that choose places, or change bits."""


@dataclass(frozen=True)
class Home:
    """The machine that started a sweep, as far as others must be like it. Paths are absolute.

    `sign` is a file in the folder of the experiment, with the text `secret`; `sign_lock` beside it is locked meanwhile.
    """

    working_folder: Path
    sign: Path
    secret: str
    sign_lock: Path
    data: Path | None
    listing: tuple[tuple[str, int], ...]
    versions: Mapping[str, str]
    path: tuple[str, ...]
    environ: Mapping[str, str]


@dataclass(frozen=True)
class Report:
    """What a node found: `differences` that forbid to train there, and whether the locks of the others reach it."""

    name: str
    processor: str
    differences: tuple[str, ...]
    sees_locks: bool


@contextmanager
def signed_home(experiment: Path, data: Path | None) -> Iterator[Home]:
    """This machine as the home of a sweep: its sign and lock are in the folder `experiment` until the block ends.

    The folder exists. What killed sweeps left there is removed. Raises OSError, and the errors of
    `write_bytes_atomically`.
    """
    for lock in experiment.glob(".sweep.*.lock"):
        with suppress(OSError), holding(lock, timeout=0):
            lock.with_suffix(".sign").unlink(missing_ok=True)
    sign = experiment.absolute() / f".sweep.{secrets.token_hex(4)}.sign"
    home = Home(
        working_folder=Path.cwd(),
        sign=sign,
        secret=secrets.token_hex(16),
        sign_lock=sign.with_suffix(".lock"),
        data=data.absolute() if data else None,
        listing=listing(data) if data else (),
        versions=versions(),
        path=tuple(sys.path),
        environ={name: value for name, value in os.environ.items() if name.startswith(_NAMED)},
    )
    with holding(home.sign_lock):
        try:
            write_bytes_atomically(sign, home.secret.encode())
            yield home
        finally:
            sign.unlink(missing_ok=True)


def versions() -> dict[str, str]:
    return {"Python": platform.python_version(), "normbench": normbench.__version__, "torch": version("torch")}


def listing(place: Path) -> tuple[tuple[str, int], ...]:
    """The names in a folder with the sizes of its files, or the size of a file; empty where nothing can be read."""
    with suppress(OSError):
        if place.is_file():
            return ((place.name, place.stat().st_size),)
        return tuple(sorted((it.name, it.stat().st_size if it.is_file() else 0) for it in place.iterdir()))
    return ()


def look_at(home: Home) -> Report:
    """Compares this machine with the one that started the sweep."""
    return Report(socket.gethostname(), _processor(), tuple(differences(home)), _sees(home.sign_lock))


def differences(home: Home) -> Iterator[str]:
    """A clause for each thing that forbids to train a run of the sweep on this machine."""
    for name, here in versions().items():
        if here != home.versions[name]:
            yield f"{name} is {here}, not {home.versions[name]}"
    try:
        is_same = read_regular(home.sign, len(home.secret)).decode() == home.secret
    except (OSError, ValueError):
        is_same = False
    if not is_same:
        yield f"{printable(home.sign.parent)} is not the folder of the results, or cannot be read"
    if not home.working_folder.is_dir():
        yield f"{printable(home.working_folder)}, where the sweep was started, is not there"
    if home.data and listing(home.data) != home.listing:
        there = "holds other files" if home.data.exists() else "is not there"
        yield f"{printable(home.data)}, the data, {there}"


def _sees(lock: Path) -> bool:
    """Whether the lock, which is held on another machine, is held here too."""
    try:
        with holding(lock, timeout=0):
            return False
    except Timeout:
        return True
    except OSError:
        return False


def _processor() -> str:
    with suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
        return next(line for line in lines if line.startswith("model name")).partition(":")[2].strip()
    return platform.machine()


_LOADED: "dict[str, Dataset]" = {}
"""The data sets of this process, which trains one group after another."""


def train_here(home: Home, requests: "Sequence[RunRequest]", machine: "Machine") -> "list[Numbered]":
    """Trains a group on this machine; returns what was logged, and the end of each run.

    An interrupt lets each run finish its step and keep a checkpoint. A machine that is unlike the home trains nothing.
    """
    from normbench.runs.events import Finished, Logged, Unfinished

    if found := list(differences(home)):
        message = f"{socket.gethostname()} cannot train it: {'; '.join(found)}"
        return [(number, Unfinished("failed", message)) for number in range(len(requests))]
    told: list[Numbered] = []

    def keep(number: int, event: "Event") -> None:
        if isinstance(event, Finished | Unfinished | Logged):
            told.append((number, event))

    with _as_at(home):
        from normbench.sweeps.worker import logging_to, train_requests

        with logging_to(lambda text: keep(0, Logged(text))):
            train_requests(requests, machine, keep, _LOADED)
    return told


@contextmanager
def _as_at(home: Home) -> Iterator[None]:
    """Within, relative paths, modules and environment variables mean what they mean where the sweep was started."""
    folder, path = Path.cwd(), list(sys.path)
    os.environ.update(home.environ)
    sys.path[:] = [*home.path, *(entry for entry in path if entry not in home.path)]
    os.chdir(home.working_folder)
    try:
        yield
    finally:
        sys.path[:] = path
        os.chdir(folder)
