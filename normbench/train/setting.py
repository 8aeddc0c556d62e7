"""How numbers are computed: device, precision, engine, memory layout. A setting changes bits, not the recipe."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

import torch
from torch import Tensor

from normbench.data.normalization import Normalization
from normbench.kernels import normalize


@dataclass(frozen=True)
class Setting:
    """Device, precision (`fp32` or `bf16`) and memory layout of a network's tensors, and how its inputs are made.

    engine: who computes the network on a CPU, one of `engine.ENGINES`.
    """

    device: torch.device
    precision: str = "fp32"
    memory_format: torch.memory_format = torch.channels_last
    normalization: Normalization = field(kw_only=True)
    engine: str = field(default="kernels", kw_only=True)

    def inputs(self, images: Tensor) -> Tensor:
        """Images uint8 [B, C, H, W], on the CPU or the device -> normalized float32 [B, C, H, W] on the device."""
        return normalize(images.to(self.device), self.normalization, self.memory_format)

    def seed(self, value: int) -> None:
        """Seeds torch's own generators of the CPU and of the device, from which networks of others draw in a step."""
        torch.default_generator.manual_seed(value)
        if self.device.type != "cpu":
            torch.get_device_module(self.device).manual_seed(value)

    def autocast(self) -> AbstractContextManager[object]:
        """With `bf16`, convs and matrix products are computed in bfloat16; weights stay float32."""
        if self.precision == "bf16":
            # Each weight is cast once a pass, so a cache saves nothing; and it must not outlive a recorded CUDA graph.
            return torch.autocast(self.device.type, dtype=torch.bfloat16, cache_enabled=False)
        return nullcontext()
