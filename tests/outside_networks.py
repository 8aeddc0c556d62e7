"""A file of networks as users write them, most with a mistake."""

from pathlib import Path

FILE = '''
"""Networks of mine."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

import mine_blocks


class Net(nn.Module):
    """Asks for its norms."""

    def __init__(self, norm, num_classes, in_channels=3, width=8, rate: float = 0, act=nn.ReLU, widths=(1, 2)):
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(in_channels, width, 3, padding=1, bias=False), norm(width)
        self.conv2 = nn.Conv2d(width, 2 * width, 3, stride=2, bias=False)
        self.norm2 = norm(num_features=2 * width, eps=1)
        self.act, self.head = act(), nn.Linear(2 * width, num_classes)

    def forward(self, x):
        x = self.act(self.norm1(self.conv1(x)))
        return self.head(self.act(self.norm2(self.conv2(x))).mean((2, 3)))


def exchanged(classes: int = 10) -> nn.Module:
    """Has its own norms."""
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, classes)
    )


def flat(image_size, in_channels, norm_layer=None, num_classes=10):
    """Takes images of one size."""
    return nn.Sequential(
        nn.Conv2d(in_channels, 4, 1), norm_layer(4), nn.Flatten(), nn.Linear(4 * image_size**2, num_classes)
    )


def open_ended(**settings):
    return Net(settings.pop("norm_layer"), **settings)


def with_convs(norm, conv, num_classes):
    return nn.Sequential(
        conv(3, 8, 3), norm(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, num_classes)
    )


def fixed_size(norm):
    return nn.Sequential(nn.Conv2d(3, 4, 32), norm(4), nn.Flatten(), nn.Linear(4, 10))


def thousand_classes(norm):
    return Net(norm, 1000)


def pair(norm, num_classes):
    class Pair(Net):
        def forward(self, x):
            return super().forward(x), x

    return Pair(norm, num_classes)


def vectors(norm, num_classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(3072, 16), norm(16), nn.Linear(16, num_classes))


def numpy_weights(norm, num_classes):
    net = Net(norm, num_classes)
    net.head.bias.data[:] = torch.from_numpy(np.random.rand(num_classes))
    return net


def has_other_norms(norm, num_classes):
    return nn.Sequential(Net(norm, num_classes), nn.LayerNorm(num_classes))


def ends_in_softmax(norm, num_classes, logarithm=False):
    return nn.Sequential(Net(norm, num_classes), nn.LogSoftmax(1) if logarithm else nn.Softmax(1))


def fused(norm, num_classes):
    return nn.Sequential(nn.Conv2d(3, 4, 3), norm(4, act_layer=nn.ReLU), nn.Flatten())


def lazy(norm, num_classes):
    return nn.Sequential(
        nn.LazyConv2d(8, 3), norm(8), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, num_classes)
    )


class Fails(Net):
    def forward(self, x):
        return super().forward(x) @ torch.ones(3, 3)


class FailsInTraining(Net):
    def forward(self, x):
        if self.training and torch.is_grad_enabled():
            raise RuntimeError("not today")
        return super().forward(x)


class Cannot(nn.Module):
    def __init__(self, norm):
        raise ValueError("too\\nlong")


def needs(norm, width): ...
def positional(width, /): ...
def number(norm): return 3


made = exchanged()
text = "a text"


class NoModule: ...
'''


def write_networks(folder: Path) -> Path:
    """Writes the file and the module beside it that it imports; returns its path."""
    (folder / "mine_blocks.py").write_text("WIDTH = 8\n")
    (folder / "mine.py").write_text(FILE)
    return folder / "mine.py"
