"""Out of memory, as a RunError with ways out."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from normbench.errors import RunError, is_out_of_memory


@contextmanager
def memory_explained(batch_size: int, device: torch.device) -> Iterator[None]:
    """Within, an error for lack of memory becomes a RunError that suggests a smaller batch, among others."""
    try:
        yield
    except (MemoryError, RuntimeError, ImportError, OSError) as error:
        if not is_out_of_memory(error):
            raise
        ways = [f"a smaller batch (--batch-size {batch_size // 2})"] if batch_size > 1 else []
        ways += ["fewer runs at a time (--jobs)"]
        ways += ["the processor (--device cpu)"] if device.type == "cuda" else []
        where = "the GPU" if device.type == "cuda" else "this machine"
        raise RunError(
            f"out of memory on {where} with batch size {batch_size} ({_first_line(error)}): try {_either(ways)}; what "
            "was trained so far is kept"
        ) from error


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _either(ways: list[str]) -> str:
    return " or ".join(filter(None, [", ".join(ways[:-1]), ways[-1]]))
