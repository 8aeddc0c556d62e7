"""Networks computed through fused ops in C++, compiled where a compiler is at hand: never required."""

from normbench.kernels.accelerate import accelerate
from normbench.kernels.images import normalize
from normbench.kernels.library import without_kernels

__all__ = ["accelerate", "normalize", "without_kernels"]
