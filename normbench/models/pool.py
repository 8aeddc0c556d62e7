"""Pooling that is fast in channels_last: through the compiled kernels where there are some."""

from torch import Tensor, nn

from normbench.kernels import can_average, can_pool, max_pool, mean_of_pixels


class MaxPool2d(nn.MaxPool2d):
    """`nn.MaxPool2d(2)`, [N, C, H, W] -> [N, C, H/2, W/2]."""

    def __init__(self) -> None:
        super().__init__(2)

    def forward(self, x: Tensor) -> Tensor:
        return max_pool(x) if can_pool(x) else super().forward(x)


class AdaptiveAvgPool2d(nn.AdaptiveAvgPool2d):
    """`nn.AdaptiveAvgPool2d(1)`, [N, C, H, W] -> [N, C, 1, 1]; from a kernel in float32, which sums in it anyway."""

    def __init__(self) -> None:
        super().__init__(1)

    def forward(self, x: Tensor) -> Tensor:
        return mean_of_pixels(x) if can_average(x) else super().forward(x)
