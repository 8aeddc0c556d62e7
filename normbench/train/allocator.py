"""The memory allocator of the CPU, set for training: each step frees and takes the same blocks."""

import ctypes
import sys
from collections.abc import Callable

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # from glibc's malloc.h
NEVER = 2**31 - 1  # bytes; the largest value the call takes


def keep_freed_memory() -> bool:
    """Makes glibc's malloc keep freed memory in this process; true if it will.

    By default malloc returns large blocks to the kernel at once. The activations of a training step are such blocks,
    and the next step gets them back page by page, zeroed: about 2,000 page faults a step. With another C library than
    glibc nothing changes.
    """
    mallopt = _glibc("mallopt")
    if mallopt is None:
        return False
    return all(mallopt(option, NEVER) == 1 for option in (M_MMAP_THRESHOLD, M_TRIM_THRESHOLD))


def give_back_freed_memory() -> None:
    """Returns the memory that malloc keeps to the kernel, at the end of a phase of a run.

    The next phase takes blocks of other sizes, which fit into few of the kept ones. Without this a run takes nearly the
    sum of what its phases take, and with it the most that one takes.
    """
    malloc_trim = _glibc("malloc_trim")
    if malloc_trim is not None:
        malloc_trim(0)


def _glibc(name: str) -> Callable[..., int] | None:
    """A function of glibc; None with another C library."""
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
