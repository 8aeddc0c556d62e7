"""Which axis of a norm layer's input holds the channels, and subclasses that compute the same as their base."""

import pytest
import torch
from torch import Tensor, nn

from normbench.models.exchange import exchange
from normbench.norms import NORM_REGISTRY


class ChannelsFirst(nn.LayerNorm):
    """Layer norm over the channels of [N, C, H, W], as torchvision and timm have it."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class OwnDefaults(nn.BatchNorm2d):
    def __init__(self, num_features: int) -> None:
        super().__init__(num_features, eps=1e-3, momentum=0.05)
        nn.init.zeros_(self.weight)  # its output is 0, as is that of an activation after it


class Moved(nn.Module):
    """[N, C, H, W] -> [N, H, W, C] or back."""

    def __init__(self, source: int, target: int) -> None:
        super().__init__()
        self.source, self.target = source, target

    def forward(self, x: Tensor) -> Tensor:
        return x.movedim(self.source, self.target)


@pytest.mark.parametrize(
    ("layers", "num_channels", "size"),
    [
        ([nn.BatchNorm2d(4)], 4, (4, 4)),
        ([OwnDefaults(4)], 4, (4, 4)),
        ([nn.InstanceNorm2d(4)], 4, (4, 4)),
        ([nn.LayerNorm([4, 4, 4])], 4, (4, 4)),
        ([ChannelsFirst(4)], 4, (4, 4)),  # the channels are as many as the columns
        ([Moved(1, -1), nn.LayerNorm(4)], 4, (4, 4)),
        ([Moved(1, -1), nn.RMSNorm(4)], 4, (4, 4)),
        ([nn.Flatten(2), nn.BatchNorm1d(4)], 4, (16, 1)),
        ([nn.Flatten(2), nn.GroupNorm(2, 4)], 4, (16, 1)),
        ([nn.Flatten(2), Moved(1, -1), nn.LayerNorm(4)], 4, (16, 1)),
        ([nn.Flatten(), nn.BatchNorm1d(64)], 64, (1, 1)),
        ([nn.Flatten(), nn.LayerNorm(64)], 64, (1, 1)),
    ],
)
def test_the_channels_are_found_by_the_class_and_by_what_it_computes(
    layers: list[nn.Module], num_channels: int, size: tuple[int, int]
) -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), *layers)
    x = torch.randn(5, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    shape = network(x).shape
    asked = []

    def seen(channels: int, found: tuple[int, int]) -> nn.Module:
        asked.append((channels, found))
        return NORM_REGISTRY["gn"](num_groups=2)[0](channels, found)

    exchange(network, seen, (3, 4, 4))
    assert asked == [(num_channels, size)]
    assert network(x).shape == shape
