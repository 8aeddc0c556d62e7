"""Norms that a compiled kernel computes."""

from abc import abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor, nn

from normbench.kernels import can_normalize

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


def fits(layer: nn.Module, x: Tensor, num_channels: int) -> bool:
    """Whether kernels take x, and what the layer of `num_channels` has stored is what they read beside it: float32 in
    one piece, for as many channels. They are told where it begins, no more."""
    if not can_normalize(x) or x.shape[1] != num_channels:
        return False
    stored = (
        tensor
        for tensor in (*layer.parameters(recurse=False), *layer.buffers(recurse=False))
        if tensor.is_floating_point()
    )
    return all(
        tensor.dtype == torch.float32 and tensor.device == x.device and tensor.is_contiguous() for tensor in stored
    )
