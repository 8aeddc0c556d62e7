"""Group norm that is fast between convolutions in channels_last, the layout in which a CPU convolves fastest."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx, once_differentiable

from normbench.kernels import Images, Kernel, Sets, normalize
from normbench.norms.compiled import CompiledNorm, fits

MANY_PIXELS = 1024  # from so many on, PyTorch's forward kernel for channels_last runs along the memory
WHOLE = 2**14  # elements of an image that is copied at once
TILE_CHANNELS, TILE_ROWS = 16, 16


class GroupNorm(CompiledNorm, nn.GroupNorm):
    """`nn.GroupNorm`, [N, C, *] -> [N, C, *] in the memory layout of its input.

    Without a compiled kernel it gets by with PyTorch's. On the CPU those for several groups of few channels are 3 to 10
    times as slow in channels_last as in the default layout, the backward one always, the forward one for images of few
    pixels. So the images change their layout for these and change back: copies, which alter no number.
    Wu & He 2018, arXiv:1803.08494.
    """

    def forward(self, x: Tensor) -> Tensor:
        if (y := self.by_kernel(x)) is not None:
            return y
        if self.num_groups == 1 or x.device.type != "cpu" or not _only_channels_last(x):
            return super().forward(x)
        out: Tensor = _ChannelsLastGroupNorm.apply(x, self.weight, self.bias, self.num_groups, self.eps)
        return out

    def kernel(self, images: Images, **behind: Any) -> Kernel | None:
        return image_kernel(self, images, self.num_channels, self.num_groups, behind)


class InstanceNorm2d(CompiledNorm, nn.InstanceNorm2d):
    """`nn.InstanceNorm2d`, [N, C, H, W] -> [N, C, H, W] in the memory layout of its input.

    PyTorch's own copies images in channels_last, and returns them in the default layout: here they are group norm
    with C groups. Ulyanov, Vedaldi & Lempitsky 2016, arXiv:1607.08022.
    """

    def forward(self, x: Tensor) -> Tensor:
        if (y := self.by_kernel(x)) is not None:
            return y
        if x.device.type != "cpu" or not _only_channels_last(x):
            return super().forward(x)
        out: Tensor = _ChannelsLastGroupNorm.apply(x, self.weight, self.bias, self.num_features, self.eps)
        return out

    def kernel(self, images: Images, **behind: Any) -> Kernel | None:
        one_value = images.shape[2:] == (1, 1)  # PyTorch's layer refuses that in training
        return None if one_value else image_kernel(self, images, self.num_features, self.num_features, behind)


def image_kernel(
    layer: nn.GroupNorm | nn.InstanceNorm2d,
    images: Images,
    num_channels: int,
    num_groups: int,
    behind: Mapping[str, Any],
) -> Kernel | None:
    """For statistics of each image by itself."""
    if not fits(layer, images, num_channels):
        return None
    return normalize(images, layer.weight, layer.bias, Sets(1, num_groups), layer.eps, **behind)


def _only_channels_last(x: Tensor) -> bool:
    # With one pixel or one channel an image is contiguous in both layouts: there is nothing to change.
    return x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()


class _ChannelsLastGroupNorm(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: FunctionCtx, x: Tensor, weight: Tensor | None, bias: Tensor | None, num_groups: int, eps: float
    ) -> Tensor:
        sizes = (x.shape[0], x.shape[1], x.shape[2] * x.shape[3], num_groups)
        few = sizes[2] < MANY_PIXELS
        images = _relayout(x, torch.contiguous_format) if few else x
        y, mean, rstd = torch.native_group_norm(images, weight, bias, *sizes, eps)
        ctx.save_for_backward(x, weight, mean, rstd)  # type: ignore[arg-type]  # None is fine
        ctx.sizes = sizes  # type: ignore[attr-defined]
        return _relayout(y, torch.channels_last) if few else y

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, d_y: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, mean, rstd = ctx.saved_tensors  # type: ignore[attr-defined]
        d_x, d_weight, d_bias = torch.ops.aten.native_group_norm_backward(
            _relayout(d_y, torch.contiguous_format),
            _relayout(x, torch.contiguous_format),
            mean,
            rstd,
            weight,
            *ctx.sizes,  # type: ignore[attr-defined]
            ctx.needs_input_grad[:3],  # type: ignore[attr-defined]
        )
        return _relayout(d_x, torch.channels_last), d_weight, d_bias, None, None


def _relayout(x: Tensor, memory_format: torch.memory_format) -> Tensor:
    channels, height = x.shape[1:3]
    if x.shape[1:].numel() <= WHOLE:
        return x.contiguous(memory_format=memory_format)
    # A larger image does not fit the first cache, and its channels lie at strides that share few cache lines: copied
    # at once, 32 channels of 32x32 take up to three times as long.
    out = torch.empty(x.shape, dtype=x.dtype, memory_format=memory_format)
    for channel in range(0, channels, TILE_CHANNELS):
        for row in range(0, height, TILE_ROWS):
            tile = (slice(None), slice(channel, channel + TILE_CHANNELS), slice(row, row + TILE_ROWS))
            out[tile].copy_(x[tile])
    return out
