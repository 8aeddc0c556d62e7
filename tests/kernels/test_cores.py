"""The cores that kernels' threads are on."""

import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pytest

from normbench.kernels.library import library, words
from tests.kernel_ops import needs_compiler

pytestmark = [needs_compiler, pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells about cores")]

T = TypeVar("T")


def in_a_thread(what: Callable[[], T]) -> T:
    """Calls it in a thread of its own, whose cores are nobody else's matter."""
    with ThreadPoolExecutor(1) as executor:
        return executor.submit(what).result()


def leave_this_core() -> tuple[int, int]:
    """The core before and after."""
    kernels = library()
    assert kernels is not None
    before = kernels.current_core()
    kernels.leave_cores(words([before]), 1)
    return before, kernels.current_core()


def test_a_thread_leaves_a_core_and_may_still_use_it() -> None:
    allowed = os.sched_getaffinity(0)
    if len(allowed) == 1:
        pytest.skip("there is one core only")

    def leave() -> bool:
        before, after = leave_this_core()
        assert os.sched_getaffinity(0) == allowed
        return before != after and {before, after} <= allowed

    assert any(in_a_thread(leave) for _ in range(5))  # the system may bring a thread back at once


def test_a_thread_that_may_use_one_core_stays() -> None:
    def leave() -> None:
        only = {min(os.sched_getaffinity(0))}
        os.sched_setaffinity(0, only)
        before, after = leave_this_core()
        assert {before} == {after} == only == os.sched_getaffinity(0)

    in_a_thread(leave)
