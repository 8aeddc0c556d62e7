"""A step of stochastic gradient descent for many tensors in one call."""

import ctypes
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from normbench.kernels.library import words
from normbench.kernels.structs import OptimizerGroup, SgdRule
from normbench.kernels.update import BoundGroup


class SgdGroup(NamedTuple):
    """Tensors with the same hyperparameters, as in a parameter group of `torch.optim.SGD` without dampening."""

    values: Sequence[Tensor]
    gradients: Sequence[Tensor]
    buffers: Sequence[Tensor]  # of the momentum; none without momentum
    momentum: float
    weight_decay: float
    nesterov: bool


def bind_sgd(group: SgdGroup) -> BoundGroup | None:
    """A step by value <- value - lr d and buffer <- momentum buffer + g, in place, with g = gradient + weight_decay
    value.

    d is the buffer, or g + momentum buffer with Nesterov's momentum; without buffers d = g. None where the kernel does
    not cover all tensors: see `are_covered`.
    """
    if not are_covered(group.values, group.gradients, group.buffers):
        return None
    table: list[int] = []
    for i, (value, gradient) in enumerate(zip(group.values, group.gradients, strict=True)):
        buffer = group.buffers[i].data_ptr() if group.buffers else 0
        table += (value.data_ptr(), gradient.data_ptr(), buffer, value.numel())
    rule, tensors = SgdRule(0.0, group.momentum, group.weight_decay, group.nesterov), words(table)
    call = OptimizerGroup(sgd=ctypes.addressof(rule), tensors=ctypes.addressof(tensors), count=len(group.values))
    return BoundGroup(call, rule, (tensors, group))


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
