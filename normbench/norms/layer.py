"""Norms with statistics of one image over all channels: of the whole image, or of each position."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from normbench.norms.factory import NormFactory, check_eps, in_float32, is_channels_last


def ln_chw(*, eps: float = 1e-5, affine: bool = True) -> NormFactory:
    """Layer norm as `nn.LayerNorm([C, H, W])`: each image is normalized as a whole, γ and β are per element.

    y = γ_chw (x − μ_n) / sqrt(σ²_n + eps) + β_chw, with μ, σ² over the axes (C, H, W), one pair an image; the same in
    training and in eval mode. The shape of γ and β ties the network to one image size.

    Learns γ [C, H, W], β [C, H, W], which is H·W times what `ln` learns; stores nothing.
    Ba, Kiros & Hinton 2016, arXiv:1607.06450. Raises ConfigError for eps <= 0.
    """
    check_eps(eps)
    return lambda num_channels, size: LayerNorm([num_channels, *size], eps=eps, elementwise_affine=affine)


def ln_c(*, eps: float = 1e-5, affine: bool = True) -> NormFactory:
    """Layer norm over channels: each position of each image is normalized on its own, as in ConvNeXt.

    y = γ_c (x − μ_nhw) / sqrt(σ²_nhw + eps) + β_c, with μ, σ² over the axis C, one pair for an image and a position;
    the same in training and in eval mode.

    Learns γ [C], β [C]; stores nothing.
    Ba, Kiros & Hinton 2016, arXiv:1607.06450; over channels of images: Liu et al. 2022, arXiv:2201.03545.
    Raises ConfigError for eps <= 0.
    """
    check_eps(eps)
    return lambda num_channels, size: LayerNorm2d(num_channels, eps=eps, elementwise_affine=affine)


def rms(*, eps: float = 1e-5, affine: bool = True) -> NormFactory:
    """RMS norm: each position of each image is divided by the root mean square of its channels.

    y = γ_c x / sqrt(ρ_nhw + eps), with ρ the mean of x² over the axis C, one value for an image and a position; the
    same in training and in eval mode. No mean is subtracted and no β is added. On feature maps RMS norm is taken
    over the channels of each position (timm's RmsNorm2d, the U-Nets of diffusion models), as layer norm is in `ln-c`.

    Learns γ [C]; stores nothing.
    Zhang & Sennrich 2019, arXiv:1910.07467. Raises ConfigError for eps <= 0.
    """
    check_eps(eps)
    return lambda num_channels, size: RMSNorm2d(num_channels, eps, affine)


class LayerNorm(nn.LayerNorm):
    """See `ln_chw`; [N, C, H, W] -> the same, in the memory layout of its input."""

    def forward(self, x: Tensor) -> Tensor:
        # Statistics over all axes do not depend on their order: as [N, H, W, C] a channels_last image is not copied.
        channels, height, width = self.normalized_shape
        weight, bias = (part if part is None else part.permute(1, 2, 0) for part in (self.weight, self.bias))
        y = F.layer_norm(x.permute(0, 2, 3, 1), (height, width, channels), weight, bias, self.eps)
        return _from_nhwc(y, x)


class LayerNorm2d(nn.LayerNorm):
    """See `ln_c`; [N, C, H, W] -> the same, in the memory layout of its input."""

    def forward(self, x: Tensor) -> Tensor:
        return _from_nhwc(super().forward(x.permute(0, 2, 3, 1)), x)


class RMSNorm2d(nn.Module):
    """See `rms`."""

    weight: Tensor | None

    def __init__(self, num_channels: int, eps: float, affine: bool) -> None:
        super().__init__()
        self.num_channels, self.eps = num_channels, eps
        self.register_parameter("weight", nn.Parameter(torch.ones(num_channels)) if affine else None)

    def forward(self, x: Tensor) -> Tensor:
        wide = in_float32(x)
        y = wide * torch.rsqrt(wide.square().mean(1, keepdim=True) + self.eps)
        return (y if self.weight is None else y * self.weight[:, None, None]).to(x.dtype)

    def extra_repr(self) -> str:
        return f"{self.num_channels}, eps={self.eps}"


def _from_nhwc(y: Tensor, x: Tensor) -> Tensor:
    """y [N, H, W, C] as [N, C, H, W], with the dtype and memory layout of x."""
    images = y.permute(0, 3, 1, 2).to(x.dtype)
    return images if is_channels_last(x) else images.contiguous()
