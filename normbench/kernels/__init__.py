"""Networks computed through fused ops in C++, compiled where a compiler is at hand: never required."""

from normbench.kernels.accelerate import accelerate
from normbench.kernels.images import normalize
from normbench.kernels.library import without_kernels
from normbench.kernels.muon import muon_step
from normbench.kernels.sgd import sgd_step

__all__ = ["accelerate", "muon_step", "normalize", "sgd_step", "without_kernels"]
