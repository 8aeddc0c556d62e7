"""Where runs compute: device, CPU threads, and the precision that `auto` stands for."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from normbench.errors import ConfigError


@dataclass(frozen=True)
class Machine:
    """Device and CPU threads of a run, chosen once for a command.

    `precision` is what `train.precision: auto` means for all its runs; None leaves that to what was decided for the
    experiment. `threads` None leaves PyTorch's number.
    """

    device: torch.device
    threads: int | None = None
    precision: str | None = None

    @property
    def is_cpu(self) -> bool:
        return self.device.type == "cpu"

    def precision_for(self, configured: str) -> str:
        """The precision for a run whose config says `configured`: `auto`, `fp32` or `bf16`."""
        return self.precision if self.precision and configured == "auto" else configured


def choose_device(name: str) -> torch.device:
    """`auto` takes CUDA where there is a device, else the CPU. Raises ConfigError for what is not there."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name not in ("cpu", "cuda"):
        raise ConfigError(f"--device {name}: known: auto, cpu, cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigError("--device cuda: torch finds no CUDA device on this machine; --device cpu works everywhere")
    return torch.device(name)


@contextmanager
def using_threads(number: int | None) -> Iterator[None]:
    """Sets PyTorch's number of CPU threads; None leaves it.

    Sums are split among the threads, so their number changes the bits of a result.
    """
    before = torch.get_num_threads()
    if number is not None:
        torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def num_cores() -> int:
    """The processor cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
