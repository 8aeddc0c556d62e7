"""Norms that the compiled kernel computes: those with a mean and a variance of neighbouring images and channels."""

from abc import abstractmethod
from collections.abc import Callable

from torch import Tensor, nn

Kernel = Callable[..., Tensor]
"""`kernels.normalize` with all that a layer knows: x, `relu` and `drop` are still to come."""


class Compiled(nn.Module):
    """A norm layer that can be computed in one pass with the ReLU and the dropout behind it."""

    @abstractmethod
    def kernel(self, x: Tensor) -> Kernel | None:
        """The layer's kernel for this input [N, C, H, W]; None where PyTorch has to compute it.

        Calling it moves running statistics as calling the layer does.
        """
