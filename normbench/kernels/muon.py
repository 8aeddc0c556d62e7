"""The update of Muon for several filter banks at once."""

import ctypes
from collections.abc import Sequence

import torch
from torch import Tensor

from normbench.kernels.chain import LANES
from normbench.kernels.library import library, pointers


class _Bank(ctypes.Structure):
    """`Bank` in muon.cpp."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("rows", "columns")),
        *((name, ctypes.c_void_p) for name in ("weight", "gradient", "momentum")),
    )


class _Rule(ctypes.Structure):
    """`Rule` in muon.cpp."""

    _fields_ = (
        ("iterations", ctypes.c_int64),
        *((name, ctypes.c_float) for name in ("a", "b", "c", "momentum")),
        ("threads", ctypes.c_int32),
    )


def can_orthogonalize(filters: Sequence[Tensor], gradients: Sequence[Tensor], buffers: Sequence[Tensor]) -> bool:
    """Whether there is a kernel for `muon_updates`: on the CPU in float32, filter banks [O, I, K, K] with multiples of
    16 for O and I K K, whose outputs lie one after the other, and the others just as they."""
    if library() is None:
        return False
    for bank, gradient, buffer in zip(filters, gradients, buffers, strict=True):
        outputs = len(bank)
        if outputs % LANES or bank.numel() // outputs % LANES or not _is_rows(bank):
            return False
        for tensor in (bank, gradient, buffer):
            if tensor.dtype != torch.float32 or tensor.device.type != "cpu":
                return False
            if tensor.shape != bank.shape or tensor.stride() != bank.stride():  # it is told where they begin, no more
                return False
    return True


def _is_rows(bank: Tensor) -> bool:
    return bank.is_contiguous() or bank.is_contiguous(memory_format=torch.channels_last)


def muon_updates(
    filters: Sequence[Tensor],
    gradients: Sequence[Tensor],
    buffers: Sequence[Tensor],
    momentum: float,
    iterations: int,
    coefficients: tuple[float, float, float],
) -> None:
    """All of a step of Muon but the last subtraction, whose right side it leaves in `gradients`, without the lr.

    Moves the `buffers` of the momentum and scales the `filters`, in place. Each bank is computed by one thread.
    """
    count = len(filters)
    banks = (_Bank * count)(
        *(
            _Bank(len(bank), bank.numel() // len(bank), *pointers(bank, gradient, buffer))
            for bank, gradient, buffer in zip(filters, gradients, buffers, strict=True)
        )
    )
    threads = torch.get_num_threads()
    rule = _Rule(iterations, *coefficients, momentum, threads)
    kernels = library()
    assert kernels is not None, "can_orthogonalize was asked before"
    kernels.muon_scratch.restype = ctypes.c_int64
    scratch = torch.empty(threads * kernels.muon_scratch(banks, ctypes.c_int64(count)))
    kernels.muon_step(ctypes.byref(rule), banks, ctypes.c_int64(count), *pointers(scratch))
