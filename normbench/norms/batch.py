"""Norms with statistics of the whole batch: batch norm and precise batch norm."""

from torch import Tensor, nn
from torch.nn import functional as F

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
    return lambda num_channels, size: nn.BatchNorm2d(num_channels, eps=eps, momentum=momentum, affine=affine)


def pn(*, eps: float = 1e-5, affine: bool = True) -> NormFactory:
    """Precise batch norm: batch norm whose eval statistics are recomputed over the training set.

    y = γ_c (x − μ_c) / sqrt(σ²_c + eps) + β_c, in training as `bn`. In eval mode μ, σ² over (N, H, W) are those of all
    training images at once, augmented as in training, under the current weights, instead of a running average under
    past weights. The price is a forward pass over the training images before each evaluation: on a CPU more than half
    of the time that training takes in an epoch, recorded as evaluation time.

    Learns γ [C], β [C]; stores running_mean [C], running_var [C] and num_batches_tracked (unused).
    Wu & Johnson 2021, arXiv:2105.07576, section 3. Raises ConfigError for eps <= 0; the layer raises ValueError for one
    value a channel in training.
    """
    check_eps(eps)
    return lambda num_channels, size: PreciseBatchNorm2d(num_channels, eps=eps, affine=affine)


class PreciseBatchNorm2d(nn.BatchNorm2d):
    """See `pn`. Training leaves the buffers alone; the trainer writes them before each evaluation."""

    is_evaluated_precisely = True

    def __init__(self, num_channels: int, eps: float = 1e-5, affine: bool = True) -> None:
        super().__init__(num_channels, eps=eps, affine=affine)

    def forward(self, x: Tensor) -> Tensor:
        self._check_input_dim(x)
        if self.training:
            return F.batch_norm(x, None, None, self.weight, self.bias, training=True, eps=self.eps)
        return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
