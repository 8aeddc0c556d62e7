"""Memory that training frees and takes again at every step."""

import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # from glibc's malloc.h
NEVER = 2**31 - 1  # bytes; the largest value the call takes


def keep_freed_memory() -> bool:
    """Has glibc's malloc keep what is freed for the next use in this process; whether it agreed.

    By default it returns large blocks to the kernel at once, and a training step on the CPU, whose activations are
    such blocks, then gets them back page by page, zeroed: about 2,000 page faults a step. Nothing happens where the C
    library is another one.
    """
    if sys.platform != "linux":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return all(mallopt(option, NEVER) == 1 for option in (M_MMAP_THRESHOLD, M_TRIM_THRESHOLD))
