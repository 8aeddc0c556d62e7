"""Convolutions by AMX, with its tiles emulated: few machines have it. What the processor does is not tested here."""

import subprocess
from pathlib import Path

import pytest

from normbench.kernels.build import FLAGS, find_compilers
from normbench.kernels.levels import LEVELS
from normbench.kernels.probe import level_rates
from tests.kernel_ops import needs_compiler

pytestmark = needs_compiler
PROGRAM = Path(__file__).with_name("conv_amx.cpp")
SOURCES = PROGRAM.parents[3] / "normbench" / "kernels" / "csrc"


@pytest.fixture(autouse=True)
def _vectors() -> None:
    """The emulation runs where the vectors beside the tiles do."""
    if "avx512_bf16" not in level_rates(find_compilers()[0]):
        pytest.skip("needs a CPU with AVX-512 BF16")


def compile_program(*options: str) -> None:
    command = [*find_compilers()[0], *FLAGS, "-O1", f"-I{SOURCES}", str(PROGRAM), *options]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_they_are_those_by_float32_vectors(tmp_path: Path) -> None:
    compile_program(*LEVELS["avx512_bf16"], "-DNORMBENCH_EMULATE_AMX", "-o", str(tmp_path / "emulated"))
    done = subprocess.run([tmp_path / "emulated"], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_assembler_knows_the_instructions(tmp_path: Path) -> None:
    compile_program(*LEVELS["amx"], "-c", "-o", str(tmp_path / "conv_amx.o"))
