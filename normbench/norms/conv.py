"""Convs that are fast in bfloat16 on a CPU."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from normbench.kernels import Images, Kernel, convolve, linear
from normbench.norms.compiled import Compiled


class Conv2d(Compiled, nn.Conv2d):
    """`nn.Conv2d`, [N, C, H, W] -> [N, O, H', W'], by what is fast where autocast asks for bfloat16 on a CPU."""

    def filters(self) -> Tensor:
        """What convolves, of the shape of `weight`."""
        return self.weight

    def kernel(self, images: Images) -> Kernel | None:
        if not _in_bfloat16() or not self._keeps_size():
            return None
        make = linear if images.shape[2:] == self.kernel_size == (1, 1) and images.dtype == torch.float32 else convolve
        return make(images, self.filters(), self.bias)

    def forward(self, x: Tensor) -> Tensor:
        if _in_bfloat16() and self._keeps_size():
            if (y := self.by_kernel(x)) is not None:
                return y
            if x.shape[2:] == self.kernel_size == (1, 1) and self.weight.dtype == torch.float32:
                return _linear(x, self.filters(), self.bias)
            if (y := self.by_kernel(x.to(torch.bfloat16))) is not None:
                return y
        return self._conv_forward(x, self.filters(), self.bias)

    def _keeps_size(self) -> bool:
        """Whether it is a plain conv at stride 1 with borders of zeros, behind which height and width are the same."""
        simple = self.stride == self.dilation == (1, 1) and self.groups == 1 and self.padding_mode == "zeros"
        height, width = self.kernel_size
        return simple and self.padding in ("same", (height // 2, width // 2))


def _in_bfloat16() -> bool:
    return torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu") == torch.bfloat16


def _linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """A conv of one pixel in float32, as by the kernel."""
    with torch.autocast("cpu", enabled=False):
        return F.linear(x.float().flatten(1), weight.flatten(1), bias)[:, :, None, None]
