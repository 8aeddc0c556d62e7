"""Ghost batch norm: batch norm over parts of the batch."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from normbench.norms.factory import NormFactory, check_at_least, check_eps, check_momentum


def gbn(*, ghost_size: int = 16, eps: float = 1e-5, momentum: float = 0.1, affine: bool = True) -> NormFactory:
    """Ghost batch norm: batch norm over parts of the batch, as if it were as small as `ghost_size`.

    y = γ_c (x − μ_gc) / sqrt(σ²_gc + eps) + β_c, with μ, σ² over the axes (ghost_size, H, W), one pair for a ghost g
    and a channel. Ghosts are neighbouring images of the (shuffled) batch; if ghost_size does not divide the batch, the
    last ghost is smaller. The running statistics move once for each ghost, as in `bn`, and are used in eval mode.

    Learns γ [C], β [C]; stores running_mean [C], running_var [C] and num_batches_tracked, which counts ghosts.
    Hoffer, Hubara & Soudry 2017, arXiv:1705.08741, algorithm 1. Raises ConfigError for ghost_size < 1, eps <= 0 or
    momentum outside (0, 1]; the layer raises ValueError for one value a channel and ghost in training.
    """
    check_at_least("ghost_size", ghost_size, 1)
    check_eps(eps)
    check_momentum(momentum)
    return lambda num_channels, size: GhostBatchNorm2d(ghost_size, num_channels, eps, momentum, affine)


class GhostBatchNorm2d(nn.BatchNorm2d):
    """See `gbn`."""

    momentum: float
    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def __init__(self, ghost_size: int, num_channels: int, eps: float, momentum: float, affine: bool) -> None:
        super().__init__(num_channels, eps=eps, momentum=momentum, affine=affine)
        self.ghost_size = ghost_size

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        self._check_input_dim(x)
        ghosts = x.split(self.ghost_size)
        self.num_batches_tracked += len(ghosts)
        return torch.cat([self._normalized(ghost) for ghost in ghosts])

    def _normalized(self, ghost: Tensor) -> Tensor:
        statistics = self.running_mean, self.running_var
        return F.batch_norm(ghost, *statistics, self.weight, self.bias, True, self.momentum, self.eps)

    def extra_repr(self) -> str:
        return f"ghost_size={self.ghost_size}, {super().extra_repr()}"
