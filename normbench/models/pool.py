"""Pooling that is fast in channels_last: through the compiled kernels where there are some."""

from torch import Tensor, nn

from normbench.kernels import Images, Kernel, max_pool, mean_of_pixels
from normbench.norms.compiled import Compiled


class MaxPool2d(Compiled, nn.MaxPool2d):
    """`nn.MaxPool2d(2)`, [N, C, H, W] -> [N, C, H/2, W/2]."""

    def __init__(self) -> None:
        super().__init__(2)

    def forward(self, x: Tensor) -> Tensor:
        y = self.by_kernel(x)
        return super().forward(x) if y is None else y

    def kernel(self, images: Images) -> Kernel | None:
        return max_pool(images)


class AdaptiveAvgPool2d(Compiled, nn.AdaptiveAvgPool2d):
    """`nn.AdaptiveAvgPool2d(1)`, [N, C, H, W] -> [N, C, 1, 1]; from a kernel in float32, which sums in it anyway."""

    def __init__(self) -> None:
        super().__init__(1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.by_kernel(x)
        return super().forward(x) if y is None else y

    def kernel(self, images: Images) -> Kernel | None:
        return mean_of_pixels(images)
