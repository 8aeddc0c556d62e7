"""Norms as users write them, most with a mistake."""

from typing import Any

import torch
from torch import Tensor, nn


class Good(nn.Module):
    def __init__(self, num_channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(num_channels))
        self.register_buffer("mean", torch.zeros(num_channels))

    def forward(self, x: Tensor) -> Any:
        return x * self.weight[:, None, None]


class Averages(nn.BatchNorm2d):
    def __init__(self, num_channels: int) -> None:
        super().__init__(num_channels)


class Raises(Good):
    def forward(self, x: Tensor) -> Tensor:
        raise ValueError("no\nmore")


class RaisesInEval(Good):
    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            raise KeyError("eval")
        return super().forward(x)


class RaisesInItsBackward(Good):
    def forward(self, x: Tensor) -> Tensor:
        y = super().forward(x)
        if y.requires_grad:
            y.register_hook(lambda _: {}["scale"])
        return y


class Shape(Good):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x)[:, :, 1:]


class ShapeOfOneBatchSize(Good):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) if len(x) == 4 else super().forward(x)[:1]


class Double(Good):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).double()


class Pair(Good):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return super().forward(x), x


class OnAnotherDevice(Good):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).to("meta")  # as cuda() does where there is a GPU and the run is on the CPU


class MakesParametersLate(nn.Module):
    def __init__(self, num_channels: int) -> None:
        super().__init__()

    def forward(self, x: Tensor) -> Tensor:
        if not hasattr(self, "weight"):
            self.weight = nn.Parameter(torch.ones(x.shape[1], 1, 1))
        return x * self.weight


class Lazy(nn.LazyBatchNorm2d):
    def __init__(self, num_channels: int) -> None:
        super().__init__()


class Hides(nn.Module):
    def __init__(self, num_channels: int) -> None:
        super().__init__()
        self.weights = [nn.Parameter(torch.ones(num_channels, 1, 1))]

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weights[0]


class KeepsItsGraph(Good):
    def forward(self, x: Tensor) -> Tensor:
        self.mean = 0.9 * self.mean + 0.1 * super().forward(x).mean((0, 2, 3))
        return x - self.mean[:, None, None]


class Remembers(Good):
    def __init__(self, num_channels: int) -> None:
        super().__init__(num_channels)
        self.seen: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(super().forward(x))
        return self.seen[-1]


class NeedsItsOutput(Good):
    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(super().forward(x))


class CannotBeMade(nn.Module):
    def __init__(self, num_channels: int) -> None:
        raise RuntimeError("not today")


SHARED = nn.Parameter(torch.ones(()))


class Shares(nn.Module):
    """One parameter in all layers."""

    def __init__(self, num_channels: int) -> None:
        super().__init__()
        self.weight = SHARED

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight


class Branches(Good):
    """Needs a value to go on, so that `torch.compile` refuses it."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) if x.sum() > 0 else x
