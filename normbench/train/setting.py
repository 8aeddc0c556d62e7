"""Where and how numbers are computed: device, precision, memory layout, threads. It changes bits, not the recipe."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from normbench.data.batches import normalize
from normbench.errors import ConfigError

PROBE_IMAGES = 32
PROBE_STEPS = 3
HOPELESS = 20.0  # a first step this many times slower than a warm fp32 step decides at once; warming up costs less


@dataclass(frozen=True)
class Setting:
    device: torch.device
    precision: str = "fp32"
    memory_format: torch.memory_format = torch.channels_last

    def autocast(self) -> AbstractContextManager[object]:
        """Computes convs and matrix products in bfloat16 where the precision asks for it; weights stay float32."""
        if self.precision == "bf16":
            # Each weight is used once a pass: nothing to cache, and a cache must not outlive the recording of a graph.
            return torch.autocast(self.device.type, dtype=torch.bfloat16, cache_enabled=False)
        return nullcontext()


@contextmanager
def using_threads(number: int) -> Iterator[None]:
    """On the CPU, sums are split among the threads: their number changes the bits of a result."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def choose_device(name: str) -> torch.device:
    """`auto` takes CUDA where there is a device, else the CPU. Raises ConfigError for what is not there."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name not in ("cpu", "cuda"):
        raise ConfigError(f"--device {name}: known: auto, cpu, cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigError("--device cuda: torch finds no CUDA device on this machine; --device cpu works everywhere")
    return torch.device(name)


def choose_setting(model: nn.Module, images: Tensor, device: torch.device, precision: str) -> Setting:
    """The setting for `precision`; `auto` times a few steps of both precisions on this machine and takes the faster.

    On CUDA it takes bf16 where the hardware has it: steps called one by one, which is all that could be timed here, say
    nothing about a recorded one.
    images: uint8 [N, 3, H, W], of which the first few serve as the probe. The model and the random state stay as
    they are.
    """
    if precision != "auto":
        return Setting(device, precision)
    if device.type == "cuda":
        return Setting(device, "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32")
    probe = images[:PROBE_IMAGES].to(device)
    fp32, bf16 = Setting(device, "fp32"), Setting(device, "bf16")
    slow = _seconds_per_step(model, probe, fp32)
    fast = _seconds_per_step(model, probe, bf16, hopeless=HOPELESS * slow)
    return bf16 if fast < slow else fp32


def _seconds_per_step(model: nn.Module, images: Tensor, setting: Setting, hopeless: float = float("inf")) -> float:
    """Best of a few training steps of a copy of the model, after one that warms up (and decides if hopeless)."""
    model = deepcopy(model).to(setting.device, memory_format=setting.memory_format).train()  # type: ignore[call-overload]
    inputs = normalize(images, memory_format=setting.memory_format)
    labels = torch.zeros(len(images), dtype=torch.int64, device=setting.device)

    def one_step() -> None:
        with setting.autocast():
            loss = F.cross_entropy(model(inputs), labels)
        loss.backward()

    with torch.random.fork_rng(devices=[]):
        first = _timed(one_step, setting.device)
        if first > hopeless:
            return first
        return min(_timed(one_step, setting.device) for _ in range(PROBE_STEPS))


def _timed(function: Callable[[], None], device: torch.device) -> float:
    start = time.perf_counter()
    function()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start
