"""The convolutions of every level that the machine has, against the formula in float64."""

from pathlib import Path

import pytest

from normbench.kernels.build import find_compilers
from normbench.kernels.levels import LEVELS, PORTABLE
from normbench.kernels.probe import level_rates
from tests.kernel_ops import assert_nothing_differs, compile_program, needs_compiler

pytestmark = needs_compiler
SOURCE = Path(__file__).with_name("conv_levels.cpp")


@pytest.mark.parametrize("level", [level for level in LEVELS if level != "amx"])  # test_conv_amx.py is about its tiles
def test_they_are_the_formula(level: str, tmp_path: Path) -> None:
    if level not in (PORTABLE, *level_rates(find_compilers()[0])):
        pytest.skip(f"this machine lacks {level}")
    program = tmp_path / "conv_levels"
    compile_program(SOURCE, "-O2", *LEVELS[level], "-o", str(program))
    assert_nothing_differs(program)
