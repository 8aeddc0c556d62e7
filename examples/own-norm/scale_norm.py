"""An example of a norm that normbench does not have."""

import torch
from torch import Tensor, nn


class ScaleNorm(nn.Module):
    """Each image is divided by the root mean square of all its values; each channel has a learned scale.

    y = γ_c x / sqrt(ρ_n + eps), with ρ the mean of x² over the axes (C, H, W), one value for an image n; the same in
    training and in evaluation mode.

    Learns γ [C]; stores nothing.
    """

    def __init__(self, num_channels: int, *, eps: float = 1e-5) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(num_channels))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> the same shape and dtype."""
        wide = x.float()  # a mean of squares in bfloat16 would lose most of its digits
        mean_square = wide.square().mean(dim=(1, 2, 3), keepdim=True)
        return (wide * torch.rsqrt(mean_square + self.eps) * self.weight[:, None, None]).to(x.dtype)
