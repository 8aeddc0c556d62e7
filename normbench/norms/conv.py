"""Convs that are fast in bfloat16 on a CPU."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from normbench.kernels import can_convolve, convolve


class Conv2d(nn.Conv2d):
    """`nn.Conv2d`, [N, C, H, W] -> [N, O, H', W'], by what is fast where autocast asks for bfloat16 on a CPU."""

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        in_bfloat16 = torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu") == torch.bfloat16
        if in_bfloat16 and self._keeps_size():
            if can_convolve(input, weight, bias):
                return convolve(input, weight, bias)
            if input.shape[2:] == self.kernel_size == (1, 1) and weight.dtype == torch.float32:
                return _matrix_product(input, weight, bias)
        return super()._conv_forward(input, weight, bias)

    def _keeps_size(self) -> bool:
        """Whether it is a plain conv at stride 1 with borders of zeros, behind which height and width are the same."""
        return (
            self.stride == self.dilation == (1, 1)
            and self.groups == 1
            and self.padding_mode == "zeros"
            and self.padding in ("same", tuple(size // 2 for size in self.kernel_size))
        )


def _matrix_product(input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """A conv of one pixel. In float32: so little arithmetic takes less time than the preparations for bfloat16."""
    with torch.autocast("cpu", enabled=False):
        return F.linear(input.float().flatten(1), weight.flatten(1), bias)[:, :, None, None]
