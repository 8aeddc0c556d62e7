"""Where runs compute: device, CPU threads, and the precision that `auto` stands for."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from normbench.errors import ConfigError
from normbench.kernels.levels import forced_level
from normbench.kernels.library import library

TESTED = ("cpu", "cuda")
DEVICES = ("auto", *TESTED, "mps", "xpu")
"""The names that `--device` offers."""


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

    @property
    def is_cuda(self) -> bool:
        return self.device.type == "cuda"

    def precision_for(self, configured: str) -> str:
        """The precision for a run whose config says `configured`: `auto`, `fp32` or `bf16`."""
        return self.precision if self.precision and configured == "auto" else configured


def choose_device(name: str) -> torch.device:
    """`auto` takes CUDA where there is a device, else the CPU.

    Any accelerator that PyTorch has here is taken by its name, such as `mps` on a Mac; those besides CUDA are untested.
    Raises ConfigError for a device, or a level of the CPU (NORMBENCH_CPU), that is not there.
    """
    if forced_level() is not None:
        library()
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigError("--device cuda: torch finds no CUDA device on this machine; --device cpu works everywhere")
    if name in TESTED:
        return torch.device(name)
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ConfigError(f"--device {name}: known: {', '.join(DEVICES)}") from None
    if device.index is not None:
        raise ConfigError(f"--device {name}: a device has no number here; CUDA_VISIBLE_DEVICES chooses one of several")
    found = torch.accelerator.current_accelerator(check_available=True)
    if found is None or found.type != device.type:
        raise ConfigError(f"--device {name}: torch finds no such device on this machine; --device cpu works everywhere")
    return device


def choose_timed_device(name: str) -> torch.device:
    """As `choose_device`, for measurements: they know only a CPU and CUDA."""
    device = choose_device(name)
    if device.type not in TESTED:
        raise ConfigError(f"--device {name}: what is measured here is measured on a CPU or with CUDA only")
    return device


def sum_dtype(device: torch.device) -> torch.dtype:
    """The widest float that the device has: float64, but float32 on Apple's GPUs."""
    return torch.float32 if device.type == "mps" else torch.float64


def wait_for(device: torch.device) -> None:
    """Returns once the device has done all its work."""
    if device.type != "cpu":
        torch.accelerator.synchronize(device)


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
