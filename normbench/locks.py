"""Locks on folders that several processes, on one machine or on many, work in.

Whoever has a folder holds two files in it. `.lock` is locked by the system, which frees it when its process ends, but
some network file systems do so within one machine only. `.lease` names its owner (host, process, start of the process
and of the machine), who renews it while it works: a process on the same machine sees at once whether the owner lives,
and one on another machine takes over a lease that has not been renewed for `LEASE_S` seconds by its own clock.
"""

import errno
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import SoftFileLease, Timeout

from normbench.errors import RunError, cannot_write
from normbench.files import half_written, holding

LOCK = ".lock"
LEASE = ".lease"

LEASE_S = 60.0
"""Seconds without a renewal after which another machine takes an owner for dead; renewed three times as often."""

_POLL_S = 0.2


class LockLost(RunError):
    """Another machine has taken this process for dead and works in its folder."""


@dataclass(frozen=True)
class Hold:
    """A folder that this process has."""

    folder: Path
    lease: SoftFileLease

    def check(self) -> None:
        """Raises LockLost if another machine took the folder over, because this process renewed nothing for long."""
        if self.lease.compromise is not None:
            raise LockLost(
                f"{self.folder}: {owner(self.folder) or 'another process'} has taken the folder over, as this process "
                f"stood still for more than {self.lease.lease_duration:g} s"
            )


@contextmanager
def locked(folder: Path, timeout: float = -1, *, lease_s: float = LEASE_S) -> Iterator[Hold]:
    """Have `folder` for this process alone; the folder is made if it is missing, half-written files are removed.

    A folder whose owner seems to be dead, on another machine, is watched for `lease_s` seconds and then taken, whatever
    the time-out. `lease_s` is the same for all who share a folder. Raises Timeout after `timeout` seconds (below 0:
    never), and the errors of `write_bytes_atomically`.
    """
    with ExitStack() as stack:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            stack.enter_context(holding(folder / LOCK, timeout))
            lease = stack.enter_context(_leased(folder / LEASE, timeout, lease_s))
        except Timeout:  # an OSError too
            raise
        except OSError as error:
            raise cannot_write(error.filename or folder, error) from error
        for part in half_written(folder):
            with suppress(OSError):
                part.unlink()
        yield Hold(folder, lease)


@contextmanager
def _leased(path: Path, timeout: float, lease_s: float) -> Iterator[SoftFileLease]:
    lease = SoftFileLease(path, lease_duration=lease_s, poll_interval=_POLL_S)
    try:
        lease.acquire(timeout=timeout)
    except Timeout:
        if _seconds_since_renewal(path) < lease_s:
            raise
        lease.acquire(timeout=2 * lease_s)  # the clocks of two machines may differ: it is watched by one clock
    try:
        yield lease
    finally:
        lease.release()


def _seconds_since_renewal(path: Path) -> float:
    with suppress(OSError):
        return time.time() - path.stat().st_mtime
    return 0.0


def owner(folder: Path) -> str:
    """Who has the folder, such as `process 123 on node7`; empty if that cannot be read, or nobody has it."""
    record = SoftFileLease(folder / LEASE, lease_duration=LEASE_S).owner
    return f"process {record.pid} on {record.hostname.partition('?')[0]}" if record else ""


def check_locks(folder: Path) -> None:
    """Raises ConfigError if two processes that lock a file in `folder`, which exists, can both have the lock.

    The file is the folder's own lock: a process that is killed here leaves nothing that the next one does not remove.
    """
    lock = folder / LOCK
    try:
        with holding(lock), holding(lock, timeout=0):
            raise OSError(errno.ENOLCK, "this file system does not lock files", str(lock))
    except Timeout:
        return
    except OSError as error:
        raise cannot_write(folder, error) from error
