"""What a kernel computes, without its tensors."""

import ctypes
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

LANES = 16
DTYPES = (torch.float32, torch.bfloat16)


class Images(NamedTuple):
    """Activations [N, C, H, W] as kernels take them: on the CPU and in channels_last."""

    shape: tuple[int, ...]
    dtype: torch.dtype
    values: Tensor | None = None  # None where they are yet to be computed

    @property
    def bytes_each(self) -> int:
        return torch.Size(self.shape[1:]).numel() * self.dtype.itemsize

    def empty(self) -> Tensor:
        return torch.empty(self.shape, dtype=self.dtype, memory_format=torch.channels_last)


@dataclass(frozen=True, eq=False)
class Plan:
    """All of a kernel that is the same in each step; it is kept, since to make one takes longer than a small layer."""

    name: str  # name_forward and name_backward are what chain.h calls kernels
    layer: ctypes.Structure
    x: Images  # without values
    y: Images
    num_parameters: int = 0
    num_buffers: int = 0
    kept: int = 0  # bytes
    scratch: int = 0  # bytes, in either direction
    shared: int = 0  # bytes a thread
    reads_x: bool = True  # in the backward pass
    reads_y: bool = False
    reads_several: bool = False  # images at once: of x in the forward pass or of the gradient of y in the backward pass
