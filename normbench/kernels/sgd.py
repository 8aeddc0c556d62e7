"""A step of stochastic gradient descent for many tensors in one call."""

import ctypes
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from normbench.kernels.library import library, words
from normbench.kernels.structs import SgdRule


class SgdGroup(NamedTuple):
    """Tensors with the same hyperparameters, as in a parameter group of `torch.optim.SGD` without dampening."""

    values: Sequence[Tensor]
    gradients: Sequence[Tensor]
    buffers: Sequence[Tensor]  # of the momentum; none without momentum
    lr: float | Tensor  # read only if the kernel steps: on a GPU, to read it is to wait
    momentum: float
    weight_decay: float
    nesterov: bool


def sgd_step(groups: Sequence[SgdGroup]) -> bool:
    """value <- value - lr d and buffer <- momentum buffer + g, in place, with g = gradient + weight_decay value.

    d is the buffer, or g + momentum buffer with Nesterov's momentum; without buffers d = g.
    Returns False, and changes nothing, where the kernel does not cover all tensors: see `are_covered`.
    """
    kernels = library()
    if kernels is None or not all(are_covered(group.values, group.gradients, group.buffers) for group in groups):
        return False
    for group in groups:
        table: list[int] = []
        for i, (value, gradient) in enumerate(zip(group.values, group.gradients, strict=True)):
            buffer = group.buffers[i].data_ptr() if group.buffers else 0
            table += (value.data_ptr(), gradient.data_ptr(), buffer, value.numel())
        rule = SgdRule(float(group.lr), group.momentum, group.weight_decay, group.nesterov)
        kernels.sgd_step(ctypes.byref(rule), words(table), ctypes.c_int64(len(group.values)))
    return True


def are_covered(values: Sequence[Tensor], gradients: Sequence[Tensor], buffers: Sequence[Tensor]) -> bool:
    """Whether all are on the CPU, in float32, dense, and each gradient and buffer has the layout of its value.

    The kernels get pointers only, so shape, layout, type and device are checked here.
    """
    aligned: Iterable[tuple[Tensor, ...]] = zip(values, gradients, *([buffers] if buffers else []), strict=True)
    for value, *others in aligned:
        layout = torch.contiguous_format if value.is_contiguous() else torch.channels_last
        for tensor in (value, *others):
            # Strides are not compared: where a dimension is 1, its stride has no meaning.
            same = tensor.shape == value.shape and tensor.is_contiguous(memory_format=layout)
            if tensor.dtype != torch.float32 or not tensor.is_cpu or not same:
                return False
    return True
