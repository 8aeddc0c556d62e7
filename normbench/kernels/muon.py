"""A step of Muon for many filter banks in one call."""

import ctypes
from collections.abc import Sequence

import torch
from torch import Tensor

from normbench.kernels.library import library, words
from normbench.kernels.op import LANES
from normbench.kernels.sgd import are_covered
from normbench.kernels.structs import MuonRule, OptimizerGroup
from normbench.kernels.update import BoundGroup


def bind_muon(
    filters: Sequence[Tensor],
    gradients: Sequence[Tensor],
    buffers: Sequence[Tensor],
    *,
    momentum: float,
    iterations: int,
    coefficients: tuple[float, float, float],
) -> BoundGroup | None:
    """A step that moves filter banks [O, I, K, K] and the buffers of their momentum in place, as
    `train.optimizers.Muon` defines.

    Each bank is computed by one thread. None where the kernel does not cover all banks: O and I K K must be multiples
    of 16, and all tensors as `sgd.are_covered` says.
    """
    kernels = library()
    if kernels is None or not all(map(_has_whole_vectors, filters)) or not are_covered(filters, gradients, buffers):
        return None
    banks: list[int] = []
    for bank, gradient, buffer in zip(filters, gradients, buffers, strict=True):
        rows = len(bank)
        banks += (rows, bank.numel() // rows, bank.data_ptr(), gradient.data_ptr(), buffer.data_ptr())
    threads, table = torch.get_num_threads(), words(banks)
    rule = MuonRule(iterations, *coefficients, 0.0, momentum, threads)
    kernels.muon_workspace_floats.restype = ctypes.c_int64
    workspace = torch.empty(threads * kernels.muon_workspace_floats(table, ctypes.c_int64(len(filters))))
    call = OptimizerGroup(
        muon=ctypes.addressof(rule),
        filters=ctypes.addressof(table),
        count=len(filters),
        workspace=workspace.data_ptr(),
    )
    return BoundGroup(call, rule, (table, workspace, *filters, *gradients, *buffers))


def _has_whole_vectors(bank: Tensor) -> bool:
    rows = len(bank)
    return rows % LANES == 0 and bank.numel() // rows % LANES == 0
