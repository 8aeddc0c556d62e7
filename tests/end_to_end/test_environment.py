"""Odd streams, variables and systems: the right output, or one sentence with the right exit code."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from normbench.cli.failure import explained
from normbench.errors import ConfigError

ROOT = Path(__file__).parents[2]
NORMBENCH = [sys.executable, "-m", "normbench"]


def run(command: list[object], **variables: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | variables
    return subprocess.run([str(word) for word in command], env=environment, capture_output=True, text=True, check=False)


def test_a_width_of_no_columns_is_no_width() -> None:
    """Containers and editors set it."""
    expected = run([*NORMBENCH, "norms", "--help"], COLUMNS="80")
    for width in ("0", "-3", "wide"):
        done = run([*NORMBENCH, "norms", "--help"], COLUMNS=width)
        assert (done.returncode, done.stdout, done.stderr) == (0, expected.stdout, "")
    assert "formula, options" in expected.stdout


@pytest.mark.skipif(os.name == "nt", reason="needs a POSIX shell")
def test_closed_streams_are_as_if_they_led_nowhere(tmp_path: Path) -> None:
    shell = ["sh", "-c", '"$@" >&- 2>&- <&-', "sh"]
    assert run([*shell, *NORMBENCH, "norms"]).returncode == 0
    assert run([*shell, *NORMBENCH, "norms", "nonsense"]).returncode == 2
    file = tmp_path / "file"
    code = (
        "import os, sys; from normbench.cli.streams import make_usable; make_usable();"
        f"file = open({str(file)!r}, 'w'); os.write(2, b'a warning'); print('a result');"
        "assert file.fileno() > 2 and not sys.stdin.read()"
    )
    assert run([*shell, sys.executable, "-c", code]).returncode == 0
    assert file.read_text() == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_message_that_cannot_be_written_leaves_the_exit_code() -> None:
    assert run(["sh", "-c", '"$@" 2> /dev/full', "sh", *NORMBENCH, "norms", "nonsense"]).returncode == 2


def test_help_is_whole_without_docstrings() -> None:
    assert "Train one run" in run([*NORMBENCH, "train", "--help"], PYTHONOPTIMIZE="2").stdout


def test_a_variable_that_torch_refuses_is_named() -> None:
    done = run([*NORMBENCH, "summary"], TORCH_LOGS="nonsense")
    assert done.returncode == 2
    assert "PyTorch cannot be imported" in done.stderr
    assert "TORCH_LOGS" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_no_folder_for_temporary_files_is_said() -> None:
    found = explained(FileNotFoundError(2, "No usable temporary directory found in ['/tmp']"))
    assert isinstance(found, ConfigError)
    assert "TMPDIR" in str(found)
    assert explained(ZeroDivisionError()) is None


OTHER_SYSTEM = """
import os, signal, sys, warnings

for name in ("resource", "fcntl", "pwd", "grp", "termios", "tty", "pty"):
    sys.modules[name] = None  # importing it raises ImportError
for name in ("sysconf", "sysconf_names", "setpgrp", "fork", "getuid", "fchdir", "sched_getaffinity"):
    delattr(os, name) if hasattr(os, name) else None
for name in [name for name in vars(os) if name in ("O_NOFOLLOW", "O_NONBLOCK", "O_PATH")]:
    delattr(os, name)
del signal.SIGKILL
warnings.filterwarnings("ignore", "only soft file lock")  # of filelock; there are locks of another kind on Windows
from tests.tiny import invoke

for arguments in (["summary"], ["train", *sys.argv[1:]]):
    result = invoke(*arguments)
    assert result.exit_code == 0, (result.output, result.exception)
"""


def test_modules_of_one_operating_system_are_optional(images: Path, tmp_path: Path) -> None:
    options = ["--data", "folder", "--data-dir", images, "--epochs", 1, "--device", "cpu", "--results", tmp_path]
    done = run([sys.executable, "-c", OTHER_SYSTEM, *options, "--set", "train.precision=fp32"])
    assert (done.returncode, done.stderr) == (0, "")
    assert len(list(tmp_path.rglob("run.json"))) == 1
    assert len(list(tmp_path.rglob("*.png"))) == 2
