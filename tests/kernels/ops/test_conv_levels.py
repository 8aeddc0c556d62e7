"""The convolutions of every level that the machine has, against the formula in float64."""

import subprocess
from pathlib import Path

import pytest

from normbench.kernels.build import FLAGS, find_compilers
from normbench.kernels.levels import LEVELS, PORTABLE
from normbench.kernels.probe import level_rates
from tests.kernel_ops import needs_compiler

pytestmark = needs_compiler
PROGRAM = Path(__file__).with_name("conv_levels.cpp")
SOURCES = PROGRAM.parents[3] / "normbench" / "kernels" / "csrc"


@pytest.mark.parametrize("level", [level for level in LEVELS if level != "amx"])  # test_conv_amx.py is about its tiles
def test_they_are_the_formula(level: str, tmp_path: Path) -> None:
    (compiler, *_) = find_compilers()
    if level not in (PORTABLE, *level_rates(compiler)):
        pytest.skip(f"this machine lacks {level}")
    program = tmp_path / "conv_levels"
    command = [*compiler, *FLAGS, "-O2", *LEVELS[level], f"-I{SOURCES}", str(PROGRAM), "-o", str(program)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    done = subprocess.run([program], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")
