"""Mean and variance of each channel over more images than fit into memory at once."""

import torch
from torch import Tensor, nn

from normbench.train.machine import sum_dtype

_AT_ONCE = 50  # images in float64: they fit into a CPU's cache


class Moments(nn.Module):
    """The identity, which also accumulates the mean and biased variance [C] of its inputs over all batches.

    In float64, by σ² = E[x²] − μ². PyTorch's batch norm takes as long, and its variance of a channels_last batch on the
    CPU is off by 2e-4 in float32 and by 1e-2 in bfloat16. Only sums are kept, in place: a small tensor for each batch
    would pin the large freed blocks around it, and memory would grow by gigabytes.
    """

    def __init__(self, like: Tensor) -> None:
        super().__init__()
        self.count = 0
        has_float64 = sum_dtype(like.device) == torch.float64
        self.sums = torch.zeros(2, len(like), dtype=torch.float64, device=like.device if has_float64 else "cpu")

    def forward(self, x: Tensor) -> Tensor:
        """x [N, C, H, W] -> x."""
        self.count += x.numel() // x.shape[1]
        for images in x.split(_AT_ONCE if x.is_cpu else len(x)):
            values = images.to(self.sums.device, torch.float64, copy=True)
            self.sums[0] += values.sum((0, 2, 3))
            self.sums[1] += values.square_().sum((0, 2, 3))
        return x

    def mean_and_variance(self) -> tuple[Tensor, Tensor]:
        mean, square = self.sums / self.count
        return mean, (square - mean.square()).clamp(min=0)
