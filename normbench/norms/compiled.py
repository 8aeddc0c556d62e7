"""Layers that a compiled kernel computes."""

from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor, nn

from normbench.kernels import Images, Kernel, can_normalize, images_of, run


class Compiled(nn.Module):
    """A layer that has a kernel for some inputs."""

    @abstractmethod
    def kernel(self, images: Images) -> Kernel | None:
        """The layer's kernel, with its parameters, for this input; None where PyTorch has to compute it.

        The input need not be computed yet; where the kernel depends on its numbers, None if it is not. Running
        statistics move when the kernel runs or, with the numbers, already now: such a kernel is to be run once.
        """

    def by_kernel(self, x: Tensor) -> Tensor | None:
        """What the layer's kernel makes of x; None where PyTorch has to compute it."""
        images = images_of(x)
        kernel = images and self.kernel(images)
        return run(x, kernel) if kernel else None


class CompiledNorm(Compiled):
    """A norm layer that can be computed in one pass with the ReLU and the dropout behind it."""

    has_activation = False

    @abstractmethod
    def kernel(self, images: Images, **behind: Any) -> Kernel | None:
        """behind: `drop` and, unless the norm has an activation of its own, `relu`, as in `normbench.kernels`."""


def fits(layer: nn.Module, images: Images, num_channels: int) -> bool:
    """Whether kernels take such images, and what the layer of `num_channels` has stored is what they read beside them:
    float32 in one piece, for as many channels, and counts in int64. They are told where it begins, no more."""
    if images.shape[1] != num_channels or not can_normalize(images):
        return False
    return all(
        stored is None or _is_readable(stored) for stored in (*layer._parameters.values(), *layer._buffers.values())
    )


def _is_readable(stored: Tensor) -> bool:
    dtype = torch.float32 if stored.is_floating_point() else torch.int64
    return stored.dtype == dtype and stored.device.type == "cpu" and stored.is_contiguous()
