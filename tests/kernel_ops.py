"""Ops and lowered layers run by themselves, for tests of the kernels."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from normbench.kernels.build import FLAGS, find_compilers
from normbench.kernels.graph import run
from normbench.kernels.library import library
from normbench.kernels.lowering import lower
from normbench.kernels.op import NO_EPILOGUE, Epilogue, Op, TensorDesc, describe
from normbench.kernels.schedule import INPUT, Node
from normbench.norms import NORMS

SOURCES = Path(__file__).parents[1] / "normbench" / "kernels" / "csrc"
needs_compiler = pytest.mark.skipif(library() is None, reason="no C++ compiler is at hand")

TOLERANCE = {torch.float32: 2e-6, torch.bfloat16: 2**-8}
LOWERED = [kind for kind in NORMS if kind != "none"]
PER_IMAGE = ["ln-c", "rms", "dyt", "frn", "evo-s0"]
BEFORE_RELU = [kind for kind in LOWERED if kind not in ("frn", "evo-s0")]
_OPTIONS: dict[str, dict[str, object]] = {
    "brn": {"warmup_steps": 0, "r_steps": 1, "d_steps": 1, "momentum": 0.5},
}


def random_images(*shape: int, dtype: torch.dtype = torch.float32, seed: int = 0) -> Tensor:
    """Channels_last, with mean 3 and standard deviation 2."""
    images = torch.randn(shape, generator=torch.Generator().manual_seed(seed)) * 2 + 3
    return images.to(dtype).contiguous(memory_format=torch.channels_last)


def described(x: Tensor) -> TensorDesc:
    desc = describe(x)
    assert desc is not None
    return desc


def run_op(op: Op | None, x: Tensor, *parameters: Tensor, buffers: Sequence[Tensor] = (), seed: int = 0) -> Tensor:
    """The output of one op."""
    assert op is not None
    return run(x, (Node(op, (INPUT,)),), parameters, buffers, [seed])


def run_layer(layer: nn.Module, x: Tensor, epilogue: Epilogue = NO_EPILOGUE, seed: int = 0) -> Tensor:
    """The output of a layer as one op."""
    lowered = lower(layer, described(x), epilogue)
    assert lowered is not None
    return run_op(lowered.op, x, *lowered.parameters(), buffers=lowered.buffers(), seed=seed)


def norm_layer(kind: str, num_channels: int = 16, size: tuple[int, int] = (7, 3), **options: object) -> nn.Module:
    """In training mode; batch renormalization with wide bounds from the first step on."""
    return NORMS[kind](**(_OPTIONS.get(kind, {}) | options))(num_channels, size).train()


def relu_after(kind: str, drop: int = 0) -> Epilogue:
    """ReLU, unless the norm has an activation of its own, and dropout."""
    return Epilogue(relu=kind in BEFORE_RELU, drop=drop)


def assert_near(found: Tensor, expected: Tensor, tolerance: float) -> None:
    """Within `tolerance` of the largest expected value."""
    assert (found.double() - expected).abs().max() <= tolerance * expected.abs().max()


def compile_program(source: Path, *options: str) -> None:
    """Compile a C++ program that includes sources of the kernels, with the flags that all levels share."""
    command = [*find_compilers()[0], *FLAGS, f"-I{SOURCES}", str(source), *options]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def assert_nothing_differs(program: Path) -> None:
    """Run a program that prints what differs."""
    done = subprocess.run([program], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")
