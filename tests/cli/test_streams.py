"""Streams that cannot be written end no training."""

import os
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from normbench.cli.main import app
from normbench.cli.streams import lasting
from tests.tiny import SMALL, only_run


def without_reader() -> int:
    """The writing end of a pipe that nobody reads."""
    reader, writer = os.pipe()
    os.close(reader)
    return writer


def test_what_cannot_be_written_is_left_out_and_told_once() -> None:
    told: list[str] = []
    with open(without_reader(), "w") as gone:
        stream = lasting(gone, told.append)
        for _ in range(3):
            assert stream.write("a line\n") == 7
            stream.flush()
        assert not stream.isatty()
    assert told == [os.strerror(32)]


def test_what_can_be_written_again_is_written(tmp_path: Path) -> None:
    file = tmp_path / "file"
    with open(without_reader(), "w") as stream, file.open("wb") as other:
        lines = lasting(stream)
        print("lost", file=lines, flush=True)
        os.dup2(other.fileno(), stream.fileno())
        print("kept", file=lines, flush=True)
    assert file.read_text() == "kept\n"


def test_a_run_whose_lines_cannot_be_written_is_trained_and_recorded(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [*map(str, SMALL), "--data-dir", str(images), "--results", str(tmp_path), "--epochs", "1"]
    with open(without_reader(), "w") as gone, redirect_stdout(gone):
        app(["train", *arguments], standalone_mode=False)
    assert only_run(tmp_path).is_finished
    assert capsys.readouterr().err.count("can no longer be written") == 1
