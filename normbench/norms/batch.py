"""Norms with statistics of the whole batch: batch norm and precise batch norm."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from normbench.kernels import Images, Kernel, Running, Sets, normalize
from normbench.norms.compiled import CompiledNorm, fits
from normbench.norms.factory import NormFactory, check_eps, check_momentum


def bn(*, eps: float = 1e-5, momentum: float = 0.1, affine: bool = True) -> NormFactory:
    """Batch norm: each channel is normalized with its mean and variance over the batch.

    y = γ_c (x − μ_c) / sqrt(σ²_c + eps) + β_c, with μ, σ² over the axes (N, H, W), one pair a channel.
    In training they come from the batch, and the running ones move: r ← (1 − momentum) r + momentum · batch, the
    variance with n / (n − 1) (unbiased) where n = N·H·W. In eval mode the running ones are used instead.

    Learns γ [C], β [C]; stores running_mean [C], running_var [C] and num_batches_tracked.
    Ioffe & Szegedy 2015, arXiv:1502.03167. Raises ConfigError for eps <= 0 or momentum outside (0, 1]; the layer
    raises ValueError for one value a channel in training.
    """
    check_eps(eps)
    check_momentum(momentum)
    return lambda num_channels, size: BatchNorm2d(num_channels, eps=eps, momentum=momentum, affine=affine)


def pn(*, eps: float = 1e-5, affine: bool = True) -> NormFactory:
    """Precise batch norm: batch norm whose eval statistics are recomputed over the training set.

    y = γ_c (x − μ_c) / sqrt(σ²_c + eps) + β_c, in training as `bn`. In eval mode μ, σ² over (N, H, W) are those of all
    training images at once, with the weights as they are now, instead of a running average over past weights: see
    `PreciseBatchNorm2d`. The price is a forward pass over the training images before each evaluation: on a CPU more
    than half of what the epoch's training takes, recorded as evaluation time.

    Learns γ [C], β [C]; stores running_mean [C], running_var [C] and num_batches_tracked (unused).
    Wu & Johnson 2021, arXiv:2105.07576, section 3. Raises ConfigError for eps <= 0; the layer raises ValueError for one
    value a channel in training.
    """
    check_eps(eps)
    return lambda num_channels, size: PreciseBatchNorm2d(num_channels, eps=eps, affine=affine)


class BatchNorm2d(CompiledNorm, nn.BatchNorm2d):
    """See `bn`."""

    momentum: float
    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def forward(self, x: Tensor) -> Tensor:
        y = self.by_kernel(x)
        return super().forward(x) if y is None else y

    def kernel(self, images: Images, **behind: Any) -> Kernel | None:
        running = Running(self.running_mean, self.running_var, self.momentum, self.num_batches_tracked)
        return batch_kernel(self, images, images.shape[0], running, behind)


def batch_kernel(
    layer: nn.BatchNorm2d, images: Images, num_images: int, running: Running | None, behind: Mapping[str, Any]
) -> Kernel | None:
    """For statistics of each channel over `num_images` neighbouring images; None in eval mode."""
    one_value = images.shape[2:] == (1, 1)  # perhaps one a channel, which the layer refuses
    if not layer.training or one_value or not fits(layer, images, layer.num_features):
        return None
    sets = Sets(num_images, layer.num_features)
    return normalize(images, layer.weight, layer.bias, sets, layer.eps, running=running, **behind)


class PreciseBatchNorm2d(CompiledNorm, nn.BatchNorm2d):
    """See `pn`. Training leaves the buffers alone: `recompute_statistics` writes them before each evaluation."""

    is_evaluated_precisely = True

    def __init__(self, num_channels: int, eps: float = 1e-5, affine: bool = True) -> None:
        super().__init__(num_channels, eps=eps, affine=affine)

    def forward(self, x: Tensor) -> Tensor:
        self._check_input_dim(x)
        if (y := self.by_kernel(x)) is not None:
            return y
        if self.training:
            return F.batch_norm(x, None, None, self.weight, self.bias, training=True, eps=self.eps)
        return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)

    def kernel(self, images: Images, **behind: Any) -> Kernel | None:
        return batch_kernel(self, images, images.shape[0], None, behind)
