"""What an op computes, described by shapes and types: nothing here holds a tensor."""

import ctypes
import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from normbench.kernels.eager import is_plain

LANES = 16  # float32 values in a vector: the kernels take channels 16 at a time
DTYPES = (torch.float32, torch.bfloat16)


class TensorDesc(NamedTuple):
    """An activation [N, C, H, W] on the CPU, dense in channels_last."""

    shape: tuple[int, ...]
    dtype: torch.dtype
    requires_grad: bool = True

    @property
    def image_bytes(self) -> int:
        return math.prod(self.shape[1:]) * self.dtype.itemsize

    def empty(self) -> Tensor:
        return torch.empty(self.shape, dtype=self.dtype, memory_format=torch.channels_last)


def describe(x: object) -> TensorDesc | None:
    """The descriptor of x; None for what no op takes as an activation."""
    if (
        not isinstance(x, Tensor)
        or x.dim() != 4
        or x.device.type != "cpu"
        or x.dtype not in DTYPES
        or x.numel() == 0
        or not is_plain(x)
        or not x.is_contiguous(memory_format=torch.channels_last)
    ):
        return None
    return TensorDesc(x.shape, x.dtype, x.requires_grad)


class Epilogue(NamedTuple):
    """What an op computes on its result before it stores it: ReLU, then dropout."""

    relu: bool = False
    drop: int = 0
    """Of 65,536 elements, how many are zeroed in the mean; the others are scaled so that the expectation stays."""


NO_EPILOGUE = Epilogue()


@dataclass(frozen=True, eq=False)
class Op:
    """A layer as the kernels see it. It is the same in each step: tensors and seeds are bound when a graph runs."""

    name: str
    """The library exports its kernels as `<name>_forward` and `<name>_backward`."""
    desc: ctypes.Structure
    """The C++ descriptor of the op, from `structs`."""
    x: TensorDesc
    y: TensorDesc
    num_parameters: int = 0
    """Float32 tensors without gaps; the backward pass writes a gradient of the same strides for each."""
    num_buffers: int = 0
    """Tensors that the forward pass updates in place."""
    saved_bytes: int = 0
    """Saved for backward by the forward pass, beside x and y."""
    workspace_bytes: int = 0
    """Workspace of this op alone, in either direction."""
    thread_workspace_bytes: int = 0
    """Workspace of each thread, shared by all ops of a graph."""
    backward_reads_x: bool = True
    backward_reads_y: bool = False
    reads_whole_batch: bool = False
    """Some pass reads several images of x, or of the gradient of y, at once: a barrier divides the op."""
