"""Norms that a compiled kernel computes."""

from abc import abstractmethod
from collections.abc import Callable

from torch import Tensor, nn

Kernel = Callable[..., Tensor]
"""A function of `kernels` with all that a layer knows: to come are x, `drop` and, unless the norm has an activation of
its own, `relu`."""


class Compiled(nn.Module):
    """A norm layer that can be computed in one pass with the ReLU and the dropout behind it."""

    has_activation = False

    @abstractmethod
    def kernel(self, x: Tensor) -> Kernel | None:
        """The layer's kernel for this input [N, C, H, W]; None where PyTorch has to compute it.

        Calling it moves running statistics as calling the layer does.
        """
