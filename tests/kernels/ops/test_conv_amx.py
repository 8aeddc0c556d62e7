"""Convolutions by AMX, with its tiles emulated: few machines have it. What the processor does is not tested here."""

from pathlib import Path

import pytest

from normbench.kernels.build import find_compilers
from normbench.kernels.levels import LEVELS
from normbench.kernels.probe import level_rates
from tests.kernel_ops import assert_nothing_differs, compile_program, needs_compiler

pytestmark = needs_compiler
SOURCE = Path(__file__).with_name("conv_amx.cpp")


@pytest.fixture(autouse=True)
def _vectors() -> None:
    """The emulation runs where the vectors beside the tiles do."""
    if "avx512_bf16" not in level_rates(find_compilers()[0]):
        pytest.skip("needs a CPU with AVX-512 BF16")


def test_they_are_those_by_float32_vectors(tmp_path: Path) -> None:
    program = tmp_path / "emulated"
    compile_program(SOURCE, "-O1", *LEVELS["avx512_bf16"], "-DNORMBENCH_EMULATE_AMX", "-o", str(program))
    assert_nothing_differs(program)


def test_the_assembler_knows_the_instructions(tmp_path: Path) -> None:
    compile_program(SOURCE, "-O1", *LEVELS["amx"], "-c", "-o", str(tmp_path / "conv_amx.o"))
