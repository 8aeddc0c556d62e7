"""The entry point: Ctrl-C ends a command with one line, and the current folder decides nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
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


LOADED_BY_RUNPY = {"collections", "contextlib", "functools", "importlib", "keyword", "operator", "reprlib", "types"}
"""What Python itself imports before any line of a package that `python -m` runs."""


def in_folder(folder: Path, path: Path | str, *command: object) -> subprocess.CompletedProcess[str]:
    """Runs `python -m normbench` as a user in `folder`, with that PYTHONPATH."""
    return subprocess.run(
        [sys.executable, "-m", "normbench", *map(str, command)],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(path)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_no_module_of_the_current_folder_is_run(tmp_path: Path) -> None:
    libraries = {"torch", "typer", "rich", "numpy", "yaml", "pydantic", "filelock", "torchsummary"}
    for name in (sys.stdlib_module_names | libraries) - LOADED_BY_RUNPY - {"warnings"}:
        (tmp_path / f"{name}.py").write_text("raise SystemExit('code of the current folder was run')")
    done = in_folder(tmp_path, ROOT, "summary", "--norm", "gn")
    assert (done.returncode, done.stderr) == (0, "")
    assert "GroupNorm" in done.stdout


def test_a_module_of_the_current_folder_is_run_if_it_is_named(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("raise ValueError('mine')")
    assert "ValueError: mine" in in_folder(tmp_path, ROOT, "norms", "mine:Norm").stderr
    (tmp_path / "typer.py").write_text("raise SystemExit('named by PYTHONPATH')")
    assert "named by PYTHONPATH" in in_folder(tmp_path, f"{tmp_path}{os.pathsep}{ROOT}", "norms").stderr


def test_helper_processes_find_a_package_that_is_not_installed(tmp_path: Path) -> None:
    """They get the path of their parent, and a clone may be anywhere."""
    (tmp_path / "normbench").symlink_to(ROOT / "normbench", target_is_directory=True)
    (tmp_path / "mine.py").write_text("import sys\n\nraise ValueError(sys.path[0])")
    assert str(tmp_path) in in_folder(tmp_path, "", "norms", "mine:Norm").stderr
