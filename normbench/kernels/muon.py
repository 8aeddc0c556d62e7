"""A step of Muon for many filter banks in one call."""

import ctypes
from collections.abc import Sequence

import torch
from torch import Tensor

from normbench.kernels.library import library, pointers, words
from normbench.kernels.op import LANES
from normbench.kernels.sgd import are_covered
from normbench.kernels.structs import MuonRule


def muon_step(
    filters: Sequence[Tensor],
    gradients: Sequence[Tensor],
    buffers: Sequence[Tensor],
    *,
    lr: float | Tensor,
    momentum: float,
    iterations: int,
    coefficients: tuple[float, float, float],
) -> bool:
    """Moves filter banks [O, I, K, K] and the buffers of their momentum in place, as `train.optimizers.Muon` defines.

    Each bank is computed by one thread. Returns False, and changes nothing, where the kernel does not cover all banks:
    O and I K K must be multiples of 16, and all tensors as `sgd.are_covered` says.
    """
    kernels = library()
    if kernels is None or not all(map(_has_whole_vectors, filters)) or not are_covered(filters, gradients, buffers):
        return False
    banks: list[int] = []
    for bank, gradient, buffer in zip(filters, gradients, buffers, strict=True):
        rows = len(bank)
        banks += (rows, bank.numel() // rows, bank.data_ptr(), gradient.data_ptr(), buffer.data_ptr())
    threads, count, table = torch.get_num_threads(), ctypes.c_int64(len(filters)), words(banks)
    rule = MuonRule(iterations, *coefficients, float(lr), momentum, threads)
    kernels.muon_workspace_floats.restype = ctypes.c_int64
    workspace = torch.empty(threads * kernels.muon_workspace_floats(table, count))
    kernels.muon_step(ctypes.byref(rule), table, count, *pointers(workspace))
    return True


def _has_whole_vectors(bank: Tensor) -> bool:
    rows = len(bank)
    return rows % LANES == 0 and bank.numel() // rows % LANES == 0
