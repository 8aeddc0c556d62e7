"""How numbers are computed: device, precision, memory layout. A setting changes bits, not the recipe."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from copy import deepcopy
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from normbench.data.normalization import Normalization
from normbench.kernels import accelerate, normalize

PROBE_IMAGES = 32
PROBE_STEPS = 8
HOPELESS = 20.0  # a bf16 warm-up step this many times slower than a warm fp32 step decides against bf16


@dataclass(frozen=True)
class Setting:
    """Device, precision (`fp32` or `bf16`) and memory layout of a network's tensors, and how its inputs are made."""

    device: torch.device
    precision: str = "fp32"
    memory_format: torch.memory_format = torch.channels_last
    normalization: Normalization = field(kw_only=True)

    def inputs(self, images: Tensor) -> Tensor:
        """Images uint8 [B, C, H, W], on the CPU or the device -> normalized float32 [B, C, H, W] on the device."""
        return normalize(images.to(self.device), self.normalization, self.memory_format)

    def autocast(self) -> AbstractContextManager[object]:
        """With `bf16`, convs and matrix products are computed in bfloat16; weights stay float32."""
        if self.precision == "bf16":
            # Each weight is cast once a pass, so a cache saves nothing; and it must not outlive a recorded CUDA graph.
            return torch.autocast(self.device.type, dtype=torch.bfloat16, cache_enabled=False)
        return nullcontext()


def faster_precision(model: nn.Module, images: Tensor, device: torch.device, normalization: Normalization) -> str:
    """`fp32` or `bf16`: the one in which a few steps on this machine are faster.

    On CUDA it is bf16 where the hardware has it: eager steps, all that could be timed here, do not predict the time of
    a recorded step.
    images: uint8 [N, C, H, W]; the first PROBE_IMAGES are the probe. The model and the random state do not change.
    """
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    probe = images[:PROBE_IMAGES].to(device)
    with torch.random.fork_rng(devices=[]):
        settings = (Setting(device, precision, normalization=normalization) for precision in ("fp32", "bf16"))
        fp32, bf16 = (_one_step(model, probe, setting) for setting in settings)
        _timed(fp32, device)  # warm-up
        if _timed(bf16, device) > HOPELESS * _timed(fp32, device):
            return "fp32"
        # In turns: what else the machine does takes its time from both, and the best step of each is compared.
        times = [(_timed(fp32, device), _timed(bf16, device)) for _ in range(PROBE_STEPS)]
    slow, fast = map(min, zip(*times, strict=True))
    return "bf16" if fast < slow else "fp32"


def _one_step(model: nn.Module, images: Tensor, setting: Setting) -> Callable[[], None]:
    """A training step of a copy of the model, without the optimizer."""
    model = deepcopy(model).to(setting.device, memory_format=setting.memory_format).train()  # type: ignore[call-overload]
    network = accelerate(model)
    inputs = setting.inputs(images)
    labels = torch.zeros(len(images), dtype=torch.int64, device=setting.device)

    def step() -> None:
        with setting.autocast():
            loss = F.cross_entropy(network(inputs), labels)
        loss.backward()

    return step


def _timed(function: Callable[[], None], device: torch.device) -> float:
    start = time.perf_counter()
    function()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start
