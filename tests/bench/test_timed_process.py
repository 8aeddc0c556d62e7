"""A process that is timed: its threads, its memory, and its errors."""

import os
import sys
from typing import Any

import pytest
import torch

from normbench.bench.timed_process import TimedProcess
from normbench.errors import ConfigError, RunError
from normbench.runs.environment import peak_memory_bytes

CPU, MB = torch.device("cpu"), 2**20


def make_number_of_threads() -> Any:
    """Like a timer that loads data: what this holds is freed before anything is measured."""
    held = bytearray(400 * MB)
    held[::4096] = b"x" * len(held[::4096])  # every page is touched
    loading = peak_memory_bytes(CPU)
    return lambda: (torch.get_num_threads(), loading)


def refuse() -> Any:
    raise ConfigError("norm.num_groups: 5 does not divide 16")


def stumble() -> Any:
    raise ZeroDivisionError("a bug")


def test_a_timed_process_is_a_process_with_threads_and_memory_of_its_own() -> None:
    process = TimedProcess("bn", CPU, 3, make_number_of_threads)
    process.wait_until_ready()
    (threads, loading), again = process.measure(), process.measure()
    assert (threads, again) == (3, (3, loading))
    peak = process.finish()
    process.kill()
    if sys.platform == "linux":
        assert 50 * MB < peak < loading - 300 * MB


@pytest.mark.parametrize(
    ("make", "arguments", "error", "text"),
    [
        (refuse, (), ConfigError, "norm.num_groups: 5 does not divide 16"),
        (stumble, (), RuntimeError, "in the process that times gn:\n.*stumble.*ZeroDivisionError: a bug"),
        (os._exit, (3,), RunError, r"the process that times gn ended by itself \(exit code 3\)"),
    ],
)
def test_what_goes_wrong_in_the_process_is_raised_here(
    make: Any, arguments: tuple[int, ...], error: type[Exception], text: str
) -> None:
    process = TimedProcess("gn", CPU, 1, make, *arguments)
    with pytest.raises(error, match=f"(?s){text}"):
        process.wait_until_ready()
    process.kill()
