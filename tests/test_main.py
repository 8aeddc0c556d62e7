"""The entry point: Ctrl-C ends a command with one line, whatever it is doing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

CTRL_C = "os.kill(os.getpid(), signal.SIGINT)"
SWALLOWED = f"import os, signal\ntry: {CTRL_C}; [None for _ in range(9)]\nexcept BaseException: pass\n"
"""A module during whose import the user presses Ctrl-C, and which goes on as torch does after its import of numpy."""

NORM = f"""
import os, signal
from torch import nn
class Norm(nn.Identity):
    def __init__(self, num_channels):
        {CTRL_C}
"""


@pytest.mark.parametrize(
    ("module", "content", "command"),
    [
        ("typer", SWALLOWED, "--help"),
        ("yaml", SWALLOWED, "train"),
        ("torch", SWALLOWED, "summary"),
        ("stops", NORM, "summary --norm stops:Norm"),
    ],
)
def test_ctrl_c_ends_any_command_with_one_line(tmp_path: Path, module: str, content: str, command: str) -> None:
    (tmp_path / f"{module}.py").write_text(content)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(
        [sys.executable, "-m", "normbench", *command.split()],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (130, "normbench: stopped\n")
    assert not done.stdout


def test_a_width_of_0_is_an_unknown_one() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "normbench", "norms", "gn"],
        env=os.environ | {"COLUMNS": "0"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Group norm" in done.stdout
