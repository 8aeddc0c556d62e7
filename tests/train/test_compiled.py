"""Compiled training steps: the plain network's numbers and random masks; what cannot be compiled is an error."""

import os
from copy import deepcopy
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch._dynamo.utils import counters
from torch._inductor.cpp_builder import get_cpp_compiler
from torch._inductor.exc import InvalidCxxCompiler

from normbench.train.compiled import CACHE_VARIABLE, Compiled, CompileError
from tests.kernel_ops import random_images


def has_compiler() -> bool:
    try:
        get_cpp_compiler()
    except InvalidCxxCompiler:
        return False
    return True


needs_inductor = pytest.mark.skipif(not has_compiler(), reason="torch.compile finds no C++ compiler")


def step(network: nn.Module, called: nn.Module, images: Tensor) -> list[Tensor]:
    """Output, gradients and buffers of a training step from a fixed seed."""
    torch.manual_seed(1)
    network.zero_grad()
    out = called(images)
    out.square().sum().backward()
    gradients = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
    return [out.detach(), *gradients, *(buffer.clone() for buffer in network.buffers())]


@needs_inductor
def test_a_compiled_step_is_that_of_the_network() -> None:
    network = nn.Sequential(nn.BatchNorm2d(3), nn.ReLU(), nn.Dropout(0.5)).train()
    twin, other = deepcopy(network), deepcopy(network)
    called = Compiled(network)
    assert list(network.state_dict()) == list(twin.state_dict())
    for size in (6, 6, 2, 6):  # the third is the short batch at the end of an epoch
        images = random_images(size, 3, 4, 4, seed=size)
        for found, expected in zip(step(network, called, images), step(twin, twin, images), strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    network.eval()
    torch.testing.assert_close(called(images), network(images))
    num_graphs = counters["stats"]["unique_graphs"]
    step(other, Compiled(other, tells=False), images)  # as the runs in lanes: one code for all
    assert counters["stats"]["unique_graphs"] == num_graphs


@needs_inductor
def test_code_for_other_instructions_is_kept_apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As with a home folder that machines of several kinds share."""
    monkeypatch.setenv("NORMBENCH_CACHE", str(tmp_path))
    folders = []
    for most in ("AVX512_CORE", "AVX2", "AVX512_CORE"):
        monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", most)
        monkeypatch.delenv(CACHE_VARIABLE, raising=False)
        Compiled(nn.Identity())
        folders.append(Path(os.environ[CACHE_VARIABLE]))
    assert folders[0] == folders[2] != folders[1]
    assert {folder.parent for folder in folders} == {tmp_path}


class Branching(nn.Module):
    """Needs a value to go on."""

    def forward(self, x: Tensor) -> Tensor:
        return x if x.sum() > 0 else -x


def test_what_cannot_be_compiled_is_said() -> None:
    with pytest.raises(CompileError, match="compile"):
        Compiled(Branching())(torch.ones(2, 3))
