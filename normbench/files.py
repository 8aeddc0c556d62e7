"""Files that are written whole or not at all, lock files, reading of foreign files, and the cache folder."""

import errno
import json
import os
import re
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from io import BufferedRandom, BufferedReader
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from platformdirs import user_cache_path

from normbench.errors import NO_LOCKS, DataError, cannot_write

_PART = re.compile(r"\..+\.[0-9a-f]{8}\.tmp")  # the names that `write_bytes_atomically` gives to unfinished files

PUBLISHED = "published"
"""Folders of this name hold what a project publishes, not one's own runs: the search does not go into them unless it
begins there."""


# Writing


def write_json_atomically(path: Path, data: Mapping[str, Any]) -> None:
    """Write indented UTF-8 JSON.

    Raises ValueError for NaN or infinity, which are not JSON, and the errors of `write_bytes_atomically`.
    """
    text = json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False)
    write_bytes_atomically(path, f"{text}\n".encode())


def write_bytes_atomically(path: Path, content: bytes, keep: Path | None = None) -> None:
    """Replace `path`: readers find the old file or the whole new one, even if the machine stops in between.

    With `keep`, the old file is renamed to `keep`. Raises ConfigError where the user may not write, RunError for a full
    disk; the old file is then still in place.
    """
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with part.open("xb") as file:  # not mkstemp, which makes private files: the umask decides who reads results
            file.write(content)
        put_in_place(part, path, keep)
    except OSError as error:
        _remove(part)
        raise cannot_write(path, error) from error
    except BaseException:
        _remove(part)
        raise


def put_in_place(part: Path, path: Path, keep: Path | None = None) -> None:
    """Rename the finished file `part` to `path` once its bytes are on the disk; both are on one file system.

    With `keep`, an old file at `path` is renamed to `keep` first. Raises OSError.
    """
    with part.open("r+b") as file:
        os.fsync(file.fileno())
    if keep is not None and path.exists():
        path.replace(keep)
    part.replace(path)
    _sync_names(path.parent)


@contextmanager
def scratch_beside(path: Path) -> Iterator[Path]:
    """A new folder `<stem>.part` beside `path`, removed afterwards, for programs that write several temporary files.

    The caller holds a lock. Remains of a killed process are removed first. Raises OSError.
    """
    remove_scratch(path)
    try:
        scratch_of(path).mkdir(mode=0o700)
        yield scratch_of(path)
    finally:
        remove_scratch(path)


def remove_scratch(path: Path) -> None:
    """Remove the folder of `scratch_beside`. The caller holds a lock."""
    shutil.rmtree(scratch_of(path), ignore_errors=True)


def scratch_of(path: Path) -> Path:
    """The folder of `scratch_beside`: it is there while a process makes `path`, or after it was killed."""
    return path.with_suffix(".part")


def open_own(path: Path) -> BufferedRandom:
    """Open a file to read and write it piece by piece; it is made if it is missing.

    Others may be able to write in its folder. Raises OSError for a link, whether symbolic or hard, for the file of
    another user, and for anything but a regular file: none of them is touched.
    """
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    descriptor = os.open(path, flags | getattr(os, "O_BINARY", 0), 0o666)
    found = os.fstat(descriptor)
    mine = not hasattr(os, "getuid") or found.st_uid == os.getuid()
    if not (stat.S_ISREG(found.st_mode) and mine and found.st_nlink == 1):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is a link, not a file, or not yours", str(path))
    return os.fdopen(descriptor, "r+b")


def half_written(folder: Path) -> list[Path]:
    """The temporary files of `write_bytes_atomically` in `folder`: of killed processes, or still being written."""
    return [path for path in folder.glob(".*.tmp") if _PART.fullmatch(path.name)]


def make_writable(folder: Path) -> None:
    """Make the folder if it is missing. Raises ConfigError if the folder, or a file in it, cannot be made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError(errno.EACCES, "not writable")
    except OSError as error:
        raise cannot_write(folder, error) from error


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink()


def _sync_names(folder: Path) -> None:
    """Make new names in `folder` survive a power cut, where the system can."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


# Locks


@contextmanager
def holding(lock: Path, timeout: float = -1, before_waiting: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold the lock file `lock`, in a folder that exists: one process at a time runs the block.

    The lock file is removed afterwards; filelock makes a waiting process notice that and create a new one.
    `before_waiting` is called once if another process has the lock. Raises filelock.Timeout after `timeout` seconds
    (below 0: never), OSError where no lock can be made, as on some network file systems.
    """
    # Without the fallback, which takes a file that is left over for a lock that is held, for ever.
    held = FileLock(lock, fallback_to_soft=False)
    try:
        if before_waiting is not None:
            try:
                held.acquire(timeout=0)
            except Timeout:
                before_waiting()
        if not held.is_locked:
            held.acquire(timeout=timeout)
    except OSError as error:
        if error.errno in NO_LOCKS:
            raise OSError(error.errno, "this file system does not lock files", str(lock)) from error
        raise
    try:
        yield
    finally:
        _remove(lock)
        held.release()


# Reading


def open_regular(path: Path) -> BufferedReader:
    """Open a file for reading that another program may have put there.

    Raises OSError as `open` does, and for a folder, a pipe (it would block), a socket or a device (it never ends).
    """
    # The type is checked on the open file, so that nothing can be swapped in between the check and the opening.
    # O_NONBLOCK: opening a pipe does not wait for its writer.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        what = "a folder" if stat.S_ISDIR(mode) else "a pipe, a socket or a device"
        raise OSError(errno.EINVAL, f"it is {what}, not a file", str(path))
    return os.fdopen(descriptor, "rb")


def read_regular(path: Path, most: int) -> bytes:
    """All bytes of a file. Raises OSError as `open_regular` does, and for a file of more than `most` bytes."""
    with open_regular(path) as file:
        if os.fstat(file.fileno()).st_size > most:
            raise OSError(errno.EFBIG, f"it is larger than {most:,} bytes", str(path))
        return file.read()


# The cache


def cache_folder() -> Path:
    """The folder for files that can be made again, such as decoded images: NORMBENCH_CACHE, else the user's own.

    Raises DataError without a home folder, and for the home of a user who does not exist.
    """
    named = os.environ.get("NORMBENCH_CACHE")
    if not named:
        return users_cache_folder()
    try:
        return Path(named).expanduser().absolute()
    except (RuntimeError, OSError) as error:  # ~nobody/x; a current folder that was removed
        raise DataError(f"NORMBENCH_CACHE={named}: {error}") from error


def users_cache_folder() -> Path:
    """normbench/ in the user's cache folder (Linux: XDG_CACHE_HOME, ~/.cache), whatever NORMBENCH_CACHE names.

    Raises DataError without a home folder.
    """
    with suppress(RuntimeError):  # some versions of platformdirs raise, others return an unexpanded ~
        folder = user_cache_path("normbench", appauthor=False)
        if folder.is_absolute():
            return folder
    raise DataError("no home folder to keep decoded images in: name a folder in NORMBENCH_CACHE")


def private_cache_folder(name: str) -> Path:
    """A folder in the cache folder whose files only the user can have written, made if it is missing.

    In the user's own cache folder where NORMBENCH_CACHE is shared with others. Raises DataError, OSError;
    PermissionError if others can write there.
    """
    problem: Exception | None = None
    for place in (cache_folder, users_cache_folder):
        try:
            folder = place() / name
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not is_users_own(folder):
                raise PermissionError(f"others can write {folder}")
            if not os.access(folder, os.W_OK):
                raise PermissionError(f"{folder} cannot be written")
        except (DataError, OSError) as error:
            problem = problem or error
        else:
            return folder
    assert problem is not None
    raise problem


def is_users_own(path: Path) -> bool:
    """Whether the user owns `path` and no other user may write it; False for a link."""
    found = path.lstat()
    mine = not hasattr(os, "getuid") or found.st_uid == os.getuid()
    return mine and not stat.S_ISLNK(found.st_mode) and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
