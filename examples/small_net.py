"""A small residual network that asks for its norm layers: 44,890 parameters for colour images of 10 classes."""

from collections.abc import Callable
from itertools import pairwise

from torch import Tensor, nn

Norm = Callable[[int], nn.Module]


class Block(nn.Module):
    """x + conv(relu(norm(conv(relu(norm(x)))))), [B, C, H, W] -> the same shape."""

    def __init__(self, norm: Norm, channels: int) -> None:
        super().__init__()
        layers = [(norm(channels), nn.ReLU(), nn.Conv2d(channels, channels, 3, padding=1, bias=False)) for _ in "12"]
        self.layers = nn.Sequential(*layers[0], *layers[1])

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.layers(x)
        return out


class SmallNet(nn.Module):
    """Three blocks, each behind a conv that halves the image; [B, in_channels, H, W] -> logits [B, num_classes]."""

    def __init__(self, norm: Norm, num_classes: int = 10, in_channels: int = 3, width: int = 16) -> None:
        super().__init__()
        widths = [width, width * 3 // 2, width * 2]
        stages = [nn.Conv2d(in_channels, width, 3, padding=1, bias=False), Block(norm, width)]
        for narrow, wide in pairwise(widths):
            stages += [nn.Conv2d(narrow, wide, 3, stride=2, padding=1, bias=False), Block(norm, wide)]
        self.features = nn.Sequential(*stages, norm(widths[-1]), nn.ReLU(), nn.AdaptiveAvgPool2d(1))
        self.classifier = nn.Linear(widths[-1], num_classes)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.features(images).flatten(1))
        return logits
