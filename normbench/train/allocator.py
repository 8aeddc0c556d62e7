"""The memory allocator of the CPU, set for training: each step frees and takes the same blocks."""

import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # from glibc's malloc.h
NEVER = 2**31 - 1  # bytes; the largest value the call takes


def keep_freed_memory() -> bool:
    """Makes glibc's malloc keep freed memory in this process; true if it will.

    By default malloc returns large blocks to the kernel at once. The activations of a training step are such blocks,
    and the next step gets them back page by page, zeroed: about 2,000 page faults a step. With another C library than
    glibc nothing changes.
    """
    if sys.platform != "linux":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return all(mallopt(option, NEVER) == 1 for option in (M_MMAP_THRESHOLD, M_TRIM_THRESHOLD))
