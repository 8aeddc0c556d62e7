"""One process at a time has a folder, on one machine or on many that share it."""

import errno
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from filelock import FileLock, SoftFileLease, Timeout

from normbench.errors import ConfigError
from normbench.locks import LEASE, LOCK, LockLost, check_locks, locked, owner


def test_a_locked_folder_is_made_tidied_and_left_without_the_lock(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    with locked(folder):
        assert (folder / LOCK).exists()
    assert list(folder.iterdir()) == []
    (folder / ".run.json.0123abcd.tmp").touch()  # of a process that was killed
    foreign = (folder / ".mine.tmp", folder / "run.json.0123abcd.tmp")
    for path in foreign:
        path.touch()
    with locked(folder), pytest.raises(Timeout), locked(folder, timeout=0):
        pass
    assert set(folder.iterdir()) == set(foreign)


def test_the_holder_of_a_lock_loses_no_file_to_another_process(tmp_path: Path) -> None:
    part = tmp_path / ".run.json.0123abcd.tmp"
    part.touch()
    with FileLock(tmp_path / LOCK), pytest.raises(Timeout), locked(tmp_path, timeout=0):
        pass
    assert part.exists()


def test_a_lock_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    """Locking a run folder from elsewhere must not empty the file that a link in it points to."""
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / LOCK).symlink_to(tmp_path / "precious")
    with (
        pytest.raises(ConfigError, match=rf"{LOCK}: cannot be written .*move away what lies there"),
        locked(tmp_path / "run"),
    ):
        pass
    assert (tmp_path / "precious").read_text() == "precious"


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
@pytest.mark.parametrize("left_over", [True, False])
def test_a_file_system_that_does_not_lock_is_said(
    number: int, left_over: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without waiting for ever for the owner of a lock file that is left over."""

    def flock(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    if left_over:
        (tmp_path / LOCK).write_text("7\nelsewhere\n")
    monkeypatch.setattr("fcntl.flock", flock)
    with pytest.raises(ConfigError, match=r"does not lock files.*another file system"), locked(tmp_path, timeout=5):
        pass


def test_what_is_in_the_way_of_a_locked_folder_is_said(tmp_path: Path) -> None:
    (tmp_path / "results").touch()
    for folder in (tmp_path / "results", tmp_path / "results" / "run"):
        with pytest.raises(ConfigError, match=r"cannot be written .*move away what lies there"), locked(folder):
            pass


def test_a_probe_tells_a_file_system_that_only_seems_to_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check_locks(tmp_path)
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr("fcntl.flock", lambda *_: None)  # as some file systems in user space answer
    with pytest.raises(ConfigError, match=r"does not lock files.*another file system"):
        check_locks(tmp_path)
    assert not list(tmp_path.iterdir())


DIES_CHECKING = """
import fcntl, os, sys
from pathlib import Path
from normbench.locks import check_locks
def lock(file, how, count=[]):
    count.append(how)
    if len(count) == 2:
        os._exit(0)
fcntl.flock = lock
check_locks(Path(sys.argv[1]))
raise SystemExit("nothing was locked twice")
"""


def test_what_a_process_killed_while_it_checks_leaves_is_removed(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", DIES_CHECKING, str(tmp_path)], check=True)
    assert [path.name for path in tmp_path.iterdir()] == [LOCK]
    check_locks(tmp_path)
    assert not list(tmp_path.iterdir())


DIES = """
import os, sys
from pathlib import Path
from normbench.locks import locked
with locked(Path(sys.argv[1])):
    os._exit(0)
"""


def test_a_dead_owner_on_this_machine_is_followed_at_once(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", DIES, str(tmp_path)], check=True)
    assert "process" in owner(tmp_path)  # it was not removed
    with locked(tmp_path, timeout=0):
        assert owner(tmp_path) == f"process {os.getpid()} on {socket.gethostname()}"
    assert not list(tmp_path.iterdir())


def leased_elsewhere(folder: Path, monkeypatch: pytest.MonkeyPatch, lease_s: float) -> SoftFileLease:
    """The lease of a process on another machine, whose system locks do not reach this one."""
    lease = SoftFileLease(folder / LEASE, lease_duration=lease_s)
    with monkeypatch.context() as patch:
        patch.setattr("socket.gethostname", lambda: "node7")
        lease.acquire()
    return lease


@pytest.mark.parametrize("clock_differs_by_s", [0, 3600])
def test_a_living_owner_on_another_machine_keeps_the_folder(
    clock_differs_by_s: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = leased_elsewhere(tmp_path, monkeypatch, 0.6)
    renewed = time.time() - clock_differs_by_s
    os.utime(tmp_path / LEASE, (renewed, renewed))
    with pytest.raises(Timeout), locked(tmp_path, timeout=0, lease_s=0.6):
        pass
    assert owner(tmp_path) == f"process {os.getpid()} on node7"
    assert lease.compromise is None
    lease.release()


def test_a_dead_owner_on_another_machine_is_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not before its lease was seen without a renewal for as long as it holds."""
    lease = leased_elsewhere(tmp_path, monkeypatch, 0.5)
    record = (tmp_path / LEASE).read_bytes()
    lease.release()
    (tmp_path / LEASE).write_bytes(record)
    with pytest.raises(Timeout), locked(tmp_path, timeout=0, lease_s=0.5):
        pass
    time.sleep(0.5)
    begun = time.monotonic()
    with locked(tmp_path, timeout=0, lease_s=0.5) as hold:
        assert time.monotonic() - begun >= 0.5
        hold.check()
    assert not list(tmp_path.iterdir())


def test_who_stood_still_for_too_long_is_told_that_another_has_the_folder(tmp_path: Path) -> None:
    with locked(tmp_path, lease_s=0.3) as hold:
        record = (tmp_path / LEASE).read_bytes()
        (tmp_path / "new").write_bytes(record.replace(f"host={socket.gethostname()}".encode(), b"host=node7"))
        (tmp_path / "new").replace(tmp_path / LEASE)
        deadline = time.monotonic() + 20
        while hold.lease.compromise is None and time.monotonic() < deadline:
            time.sleep(0.05)
        with pytest.raises(LockLost, match="on node7 has taken the folder over"):
            hold.check()
    assert (tmp_path / LEASE).exists()  # the other's
