"""A step of Muon for several filter banks at once."""

import ctypes
from collections.abc import Sequence

import torch
from torch import Tensor

from normbench.kernels.library import library, pointers, words
from normbench.kernels.op import LANES
from normbench.kernels.sgd import can_descend
from normbench.kernels.structs import MuonRule


def can_orthogonalize(filters: Sequence[Tensor], gradients: Sequence[Tensor], buffers: Sequence[Tensor]) -> bool:
    """Whether there is a kernel for `muon_step`: as for `descend`, for filter banks [O, I, K, K] with multiples of 16
    for O and I K K, whose outputs lie one after the other."""
    for bank in filters:
        outputs = len(bank)
        if outputs % LANES or bank.numel() // outputs % LANES:
            return False
    return can_descend(filters, gradients, buffers)


def muon_step(
    filters: Sequence[Tensor],
    gradients: Sequence[Tensor],
    buffers: Sequence[Tensor],
    *,
    lr: float,
    momentum: float,
    iterations: int,
    coefficients: tuple[float, float, float],
) -> None:
    """Moves the filters, and the buffers of the momentum, in place. Each bank is computed by one thread."""
    banks: list[int] = []
    for bank, gradient, buffer in zip(filters, gradients, buffers, strict=True):
        outputs = len(bank)
        banks += (outputs, bank.numel() // outputs, bank.data_ptr(), gradient.data_ptr(), buffer.data_ptr())
    threads, count, table = torch.get_num_threads(), ctypes.c_int64(len(filters)), words(banks)
    rule = MuonRule(iterations, *coefficients, lr, momentum, threads)
    kernels = library()
    assert kernels is not None, "can_orthogonalize was asked before"
    kernels.muon_workspace_floats.restype = ctypes.c_int64
    scratch = torch.empty(threads * kernels.muon_workspace_floats(table, count))
    kernels.muon_step(ctypes.byref(rule), table, count, *pointers(scratch))
