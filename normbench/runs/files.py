"""Writing so that readers find the old file or the whole new one, whatever happens in between."""

import errno
import json
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from normbench.errors import cannot_write

LOCK = ".lock"
_PART = re.compile(r"\..+\.[0-9a-f]{8}\.tmp")  # what a killed process leaves of a file that it was writing


def write_json_atomically(path: Path, data: Mapping[str, Any]) -> None:
    """Indented UTF-8 JSON. Raises ValueError for NaN or infinity, which are not JSON, and as below."""
    text = json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False)
    write_bytes_atomically(path, f"{text}\n".encode())


def write_bytes_atomically(path: Path, content: bytes, keep: Path | None = None) -> None:
    """Readers find the old file or the whole new one, even if the machine stops in between.

    The old file becomes `keep`, if that is given. Raises ConfigError where one may not write, RunError for a full disk;
    the old file is then still there.
    """
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with part.open("xb") as file:  # not mkstemp: others may read a result, as the umask says
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if keep is not None and path.exists():
            path.replace(keep)
        part.replace(path)
    except OSError as error:
        _forget(part)
        raise cannot_write(path, error) from error
    except BaseException:
        _forget(part)
        raise
    _sync(path.parent)


@contextmanager
def locked(folder: Path, timeout: float = -1) -> Iterator[None]:
    """One process at a time, in a folder that is made if need be; what killed ones left half-written is removed.

    The lock is gone afterwards: a process that waits for it sees that, and takes the next one. Raises filelock.Timeout
    after `timeout` seconds (below 0: never), and as `write_bytes_atomically` does.
    """
    lock = FileLock(folder / LOCK)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=timeout)
    except Timeout:
        raise
    except (OSError, NotImplementedError) as error:  # NotImplementedError: a file system without locks
        raise cannot_write(getattr(error, "filename", None) or folder, error) from error
    try:
        for part in half_written(folder):
            _forget(part)
        yield
    finally:
        _forget(folder / LOCK)
        lock.release()


def make_writable(folder: Path) -> None:
    """Makes the folder if need be. Raises ConfigError where it, or a file in it, cannot be made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError(errno.EACCES, "not writable")
    except OSError as error:
        raise cannot_write(folder, error) from error


def half_written(folder: Path) -> list[Path]:
    """The files of `write_bytes_atomically` that were never finished, or are just being written."""
    return [path for path in folder.glob(".*.tmp") if _PART.fullmatch(path.name)]


def _forget(path: Path) -> None:
    with suppress(OSError):
        path.unlink()


def _sync(folder: Path) -> None:
    """Makes a new name in `folder` last, where the system can."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
