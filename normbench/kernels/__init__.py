"""Passes over activations made as one, in C++ that is compiled where a compiler is at hand: never required."""

from normbench.kernels.conv import can_convolve, convolve
from normbench.kernels.norm import Drop, Running, Sets, can_normalize, normalize
from normbench.kernels.pool import can_pool, max_pool

__all__ = [
    "Drop",
    "Running",
    "Sets",
    "can_convolve",
    "can_normalize",
    "can_pool",
    "convolve",
    "max_pool",
    "normalize",
]
