"""A step of stochastic gradient descent for several tensors at once."""

import ctypes
from collections.abc import Sequence

import torch
from torch import Tensor

from normbench.kernels.library import library, words
from normbench.kernels.structs import SgdRule


def can_descend(values: Sequence[Tensor], gradients: Sequence[Tensor], buffers: Sequence[Tensor]) -> bool:
    """Whether there is a kernel for `descend`: on the CPU, in float32, without gaps, and all of one just as its value.

    It is told where they begin, no more.
    """
    for value, *others in zip(values, gradients, *([buffers] if buffers else []), strict=True):
        lies = torch.contiguous_format if value.is_contiguous() else torch.channels_last
        for tensor in (value, *others):
            # Not by its strides, which mean nothing where a side is 1.
            lies_so = tensor.is_contiguous(memory_format=lies) and tensor.shape == value.shape
            if tensor.dtype != torch.float32 or not tensor.is_cpu or not lies_so:
                return False
    return library() is not None


def descend(
    values: Sequence[Tensor],
    gradients: Sequence[Tensor],
    buffers: Sequence[Tensor],
    *,
    lr: float,
    momentum: float,
    weight_decay: float,
    nesterov: bool,
) -> None:
    """value <- value - lr d and buffer <- momentum buffer + g, in place, as in `torch.optim.SGD` without dampening.

    g = gradient + weight_decay value; d is the buffer, or g + momentum buffer with Nesterov's momentum. Without
    `buffers` there is no momentum, and d = g.
    """
    tensors: list[int] = []
    for i, (value, gradient) in enumerate(zip(values, gradients, strict=True)):
        tensors += (value.data_ptr(), gradient.data_ptr(), buffers[i].data_ptr() if buffers else 0, value.numel())
    kernels = library()
    assert kernels is not None, "can_descend was asked before"
    rule = SgdRule(lr, momentum, weight_decay, nesterov)
    kernels.sgd_step(ctypes.byref(rule), words(tensors), ctypes.c_int64(len(values)))
