"""Disks, memory and clocks that fail: no run is lost or wrong, and one sentence says what to do."""

import errno
import json
import tempfile
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import torch
import typer

from normbench.cli.main import main
from normbench.errors import ConfigError, RunError
from normbench.runs import build_record, stages
from normbench.runs.folder import RunFolder
from tests.tiny import assert_same_bits, full_at, invoke, only_run, train_small


def test_the_disk_is_full_at_each_file_in_turn(images: Path, undisturbed: RunFolder, tmp_path: Path) -> None:
    names = sorted(path.name for path in undisturbed.path.iterdir())
    assert len(names) == 7
    pictures = {"curves.png", "misclassified.png"}
    for name in (
        "config.yaml",
        "checkpoint.safetensors",
        "checkpoint.previous.safetensors",
        *sorted(set(names) - pictures),
    ):
        with pytest.MonkeyPatch.context() as patch:
            full_at(name, patch)
            result = train_small(images, tmp_path)
        assert isinstance(result.exception, RunError), name
        assert "the disk is full (No space left on device): make room, and the same" in str(result.exception)
        assert not list(tmp_path.rglob("*.tmp"))
        assert not list(tmp_path.rglob("run.json"))
    with pytest.MonkeyPatch.context() as patch:
        full_at("curves.png", patch)
        result = train_small(images, tmp_path)
    assert result.exit_code == 0, "the record is written before the pictures"
    assert "its picture curves could not be drawn" in result.stderr
    run = only_run(tmp_path)
    assert run.checkpoint.exists(), "the next process knows by it that pictures are missing"
    assert train_small(images, tmp_path).exit_code == 0
    assert_same_bits(run, undisturbed)
    assert run.picture("curves", "png").read_bytes() == undisturbed.picture("curves", "png").read_bytes()
    assert run.picture("misclassified", "png").read_bytes() == undisturbed.picture("misclassified", "png").read_bytes()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nMore"), "--batch-size 4"),
        (RuntimeError("[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory"), "--jobs"),
        (MemoryError(), "MemoryError"),
    ],
)
def test_too_little_memory_suggests_a_smaller_batch(
    error: Exception, said: str, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(torch.Tensor, "backward", fail)
    result = train_small(images, tmp_path)
    assert isinstance(result.exception, RunError)
    message = str(result.exception)
    assert message.startswith("out of memory on this machine with batch size 8")
    assert said in message
    assert "More" not in message


def test_a_clock_that_goes_backwards_spoils_nothing(
    images: Path, undisturbed: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Backwards:
        hours = 0

        @classmethod
        def now(cls, zone: Any) -> datetime:
            cls.hours -= 1
            return datetime.now(zone) + timedelta(hours=cls.hours)

    monkeypatch.setattr(stages, "datetime", Backwards)
    monkeypatch.setattr(build_record, "datetime", Backwards)
    assert train_small(images, tmp_path).exit_code == 0
    run = only_run(tmp_path)
    assert_same_bits(run, undisturbed)
    written = json.loads(run.record.read_text())
    assert written["finished_at"] < written["started_at"]
    assert all(seconds > 0 for seconds in written["timing"].values())
    assert invoke("compare", tmp_path).exit_code == 0


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), 4, "the output: the disk is full"),
        (OSError(errno.EROFS, "Read-only file system", "/x"), 2, "/x: cannot be written"),
        (ImportError("libx.so: failed to map segment from shared object"), 4, "out of memory"),
        (MemoryError(), 4, "out of memory"),
        (KeyboardInterrupt(), 130, "stopped"),
        (ZeroDivisionError("division by zero"), 1, "this is a bug in normbench; please report it with"),
    ],
)
def test_trouble_of_the_machine_is_no_bug(
    error: BaseException,
    code: int,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Also outside of the calls that expect such an error: here the first call of the command line raises it."""

    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(typer.Typer, "__call__", fail)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == code
    shown = capsys.readouterr().err
    assert f"normbench: {said}" in shown
    assert "Traceback" not in shown
    assert len(list(tmp_path.iterdir())) == (code == 1)  # its traceback


def test_a_bug_on_a_full_disk_is_shown(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(typer.Typer, "__call__", fail)
    monkeypatch.setattr(tempfile, "NamedTemporaryFile", full)
    with pytest.raises(SystemExit):
        main()
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_results_that_cannot_be_written_are_a_matter_of_the_command(images: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = train_small(images, tmp_path / "file")
    assert isinstance(result.exception, ConfigError)
    assert f"{tmp_path / 'file'}" in str(result.exception)
    assert "cannot be written" in str(result.exception)
