"""The bounds of a data set. Whether it fits into the memory is asked before it is decoded."""

import math
import os
from contextlib import suppress
from pathlib import Path

from normbench.errors import DataError

MAX_BYTES = 2**34
"""Of the images of a data set: five million of 32x32 pixels in colour."""
MAX_SIDE = 1024
"""The largest height and width of an image, in pixels."""
COPIES = 2
"""Images that are held out are copied, and so are those that stay: a data set may be in memory twice."""
CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")


def check_fits_memory(shape: tuple[int, int, int, int]) -> None:
    """Raises DataError if uint8 images of the shape [N, C, H, W] are more than the memory, or MAX_BYTES, can hold."""
    size, available = math.prod(shape), machine_bytes()
    number, channels, height, width = shape
    images = f"{number:,} images of {channels}x{height}x{width} bytes take {_gib(size)}"
    if size > MAX_BYTES:
        raise DataError(f"{images}, and at most {_gib(MAX_BYTES)} are taken: resize them (data.resize), or use fewer")
    if available is not None and COPIES * size > available:
        raise DataError(
            f"{images}, twice where some are held out, and this machine has {_gib(available)} of memory: resize them "
            "(data.resize), or use fewer"
        )


def machine_bytes() -> int | None:
    """The memory of the machine, or of the container; None where neither is told."""
    limits = []
    with suppress(AttributeError, ValueError, OSError):
        limits.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    with suppress(ValueError, OSError):  # "max" where there is no limit
        limits.append(int(CGROUP_LIMIT.read_text()))
    return min((limit for limit in limits if limit > 0), default=None)


def _gib(size: int) -> str:
    return f"{size / 2**30:.3g} GiB"
