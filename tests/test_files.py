"""Files are written whole or not at all; one process at a time has a lock; foreign files are read with care."""

import errno
import json
import os
from pathlib import Path

import pytest
from filelock import Timeout

from normbench.errors import ConfigError, DataError, NormbenchError, RunError
from normbench.files import (
    cache_folder,
    holding,
    is_users_own,
    make_writable,
    open_own,
    read_regular,
    scratch_beside,
    scratch_of,
    users_cache_folder,
    write_bytes_atomically,
    write_json_atomically,
)


def test_writing_replaces_the_whole_file_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text("old")
    write_json_atomically(path, {"accuracy": 0.5, "name": "é"})
    assert json.loads(path.read_text(encoding="utf-8")) == {"accuracy": 0.5, "name": "é"}
    assert list(tmp_path.iterdir()) == [path]
    umask = os.umask(0)
    os.umask(umask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~umask


def test_what_is_replaced_may_be_kept(tmp_path: Path) -> None:
    path, before = tmp_path / "checkpoint", tmp_path / "before"
    for content in (b"1", b"2", b"3"):
        write_bytes_atomically(path, content, keep=before)
    assert (path.read_bytes(), before.read_bytes()) == (b"3", b"2")
    assert sorted(tmp_path.iterdir()) == [before, path]


def test_what_cannot_be_written_as_json_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text("old")
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json_atomically(path, {"loss": float("nan")})
    assert path.read_text() == "old"


@pytest.mark.parametrize(
    ("number", "kind", "message"),
    [
        (errno.ENOSPC, RunError, "the disk is full .*make room"),
        (errno.EDQUOT, RunError, "the disk is full .*make room"),
        (errno.EIO, RunError, "cannot be written .*the same command goes on"),
        (errno.EROFS, ConfigError, "cannot be written .*name a folder that can be written"),
        (errno.EACCES, ConfigError, "cannot be written .*name a folder that can be written"),
    ],
)
@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_what_fails_leaves_both_old_files_and_says_what_to_do(
    call: str, number: int, kind: type[NormbenchError], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, before = tmp_path / "checkpoint", tmp_path / "before"
    write_bytes_atomically(before, b"1")
    write_bytes_atomically(path, b"2")

    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(os if call == "fsync" else Path, call, fail)
        with pytest.raises(kind, match=message) as caught:
            write_bytes_atomically(path, b"3", keep=before)
    assert str(path) in str(caught.value)
    assert (path.read_bytes(), before.read_bytes()) == (b"2", b"1")
    assert sorted(tmp_path.iterdir()) == [before, path]


def test_what_is_in_the_way_of_a_folder_is_said(tmp_path: Path) -> None:
    (tmp_path / "results").touch()
    said = r"cannot be written .*move away what lies there"
    for folder in (tmp_path / "results", tmp_path / "results" / "run"):
        with pytest.raises(ConfigError, match=said):
            make_writable(folder)


def test_a_waiting_process_is_told_once_and_gets_the_lock(tmp_path: Path) -> None:
    lock, said = tmp_path / "slot.lock", []
    with holding(lock), pytest.raises(Timeout), holding(lock, 0.1, lambda: said.append("waiting")):
        pass
    assert said == ["waiting"]
    with holding(lock, 0.1, lambda: said.append("again")):
        assert lock.exists()
    assert said == ["waiting"]
    assert not list(tmp_path.iterdir())


def test_a_scratch_folder_is_empty_private_and_goes(tmp_path: Path) -> None:
    path = tmp_path / "slot.safetensors"
    scratch_of(path).mkdir()
    (scratch_of(path) / "half").touch()  # of a process that was killed
    with pytest.raises(KeyboardInterrupt), scratch_beside(path) as scratch:
        assert scratch == scratch_of(path)
        assert not list(scratch.iterdir())
        assert scratch.stat().st_mode & 0o077 == 0
        (scratch / "half").touch()
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


def test_only_ones_own_regular_file_is_opened_for_writing(tmp_path: Path) -> None:
    path, precious = tmp_path / "part", tmp_path / "precious"
    with open_own(path) as file:
        file.write(b"12")
    with open_own(path) as file:
        assert file.read() == b"12"
    precious.write_text("precious")
    for name, make in {"link": Path.symlink_to, "hard": Path.hardlink_to, "pipe": lambda at, _: os.mkfifo(at)}.items():
        make(tmp_path / name, precious)
        with pytest.raises(OSError, match=name):
            open_own(tmp_path / name)
    assert precious.read_text() == "precious"


def test_only_regular_files_of_a_bearable_size_are_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    assert read_regular(tmp_path / "file", 5) == b"12345"
    os.mkfifo(tmp_path / "pipe")
    for name, why in (("file", "larger than 4 bytes"), ("pipe", "it is a pipe"), ("", "it is a folder")):
        with pytest.raises(OSError, match=why):
            read_regular(tmp_path / name, 4)


def test_the_cache_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NORMBENCH_CACHE", str(tmp_path / "own"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "own"
    monkeypatch.delenv("NORMBENCH_CACHE")
    assert cache_folder() == tmp_path / "normbench"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_folder() == tmp_path / "home" / ".cache" / "normbench"


def test_without_a_home_folder_the_way_out_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(variable, raising=False)

    def fail(_: object) -> None:
        raise KeyError("no entry for the user in the password file")

    monkeypatch.setattr("pwd.getpwuid", fail)
    with pytest.raises(DataError, match="NORMBENCH_CACHE"):
        users_cache_folder()


def test_a_file_that_others_may_write_is_not_the_users_own(tmp_path: Path) -> None:
    mine, link = tmp_path / "mine", tmp_path / "link"
    mine.touch(0o644)
    link.symlink_to(mine)
    assert is_users_own(mine)
    assert not is_users_own(link)
    for mode in (0o664, 0o646):
        mine.chmod(mode)
        assert not is_users_own(mine)
