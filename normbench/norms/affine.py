"""The learned scale and shift of a channel."""

import torch
from torch import Tensor, nn


class ChannelAffine(nn.Module):
    """A layer with γ `weight` [C], 1 at the start, and β `bias` [C], 0 at the start; without `affine` both are None."""

    weight: Tensor | None
    bias: Tensor | None

    def __init__(self, num_channels: int, affine: bool) -> None:
        super().__init__()
        self.num_channels, self.affine = num_channels, affine
        self.register_parameter("weight", nn.Parameter(torch.ones(num_channels)) if affine else None)
        self.register_parameter("bias", nn.Parameter(torch.zeros(num_channels)) if affine else None)

    def gamma_beta(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """γ and β as [C, 1, 1], to be used with images; 1 and 0 without affine, on the device of the images."""
        if self.weight is None or self.bias is None:
            return images.new_ones(1, 1, 1), images.new_zeros(1, 1, 1)
        return self.weight[:, None, None], self.bias[:, None, None]

    def extra_repr(self) -> str:
        return f"{self.num_channels}, affine={self.affine}"
