"""Networks as people bring them, written anew from the layer tables of their kind; [B, 3, 32, 32] -> [B, 10].

Each makes its norm layers as its author would, with PyTorch's classes and without a parameter `norm`.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def conv_bn(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs)]


def plain(num_classes: int = 10) -> nn.Module:
    """Convs in a row, each followed by batch norm, ReLU and dropout; 1x1 convs between; ends in log-softmax."""

    def block(inputs: int, outputs: int) -> list[nn.Module]:
        return [*conv_bn(inputs, outputs), nn.ReLU(), nn.Dropout(0.05)]

    def transition(inputs: int, outputs: int) -> list[nn.Module]:
        return [nn.Conv2d(inputs, outputs, 1, bias=False), nn.MaxPool2d(2)]

    return nn.Sequential(
        *block(3, 8),
        *block(8, 16),
        *transition(16, 8),
        *block(8, 16),
        *transition(16, 8),
        *block(8, 16),
        nn.AdaptiveAvgPool2d(1),
        nn.Conv2d(16, num_classes, 1, bias=False),
        nn.Flatten(),
        nn.LogSoftmax(dim=1),
    )


class Separable(nn.Module):
    """Depthwise and pointwise convs, the ReLU before the norm, strides in the place of pooling."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 12, 3, padding=1, bias=False), nn.ReLU(), nn.BatchNorm2d(12))
        self.blocks = nn.Sequential(*(self.block(inputs, outputs) for inputs, outputs in ((12, 16), (16, 24))))
        self.fc = nn.Linear(24, 10)

    @staticmethod
    def block(inputs: int, outputs: int) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(inputs, inputs, 3, stride=2, padding=1, groups=inputs, bias=False),
            nn.Conv2d(inputs, outputs, 1, bias=False),
            nn.ReLU(),
            nn.BatchNorm2d(outputs),
            nn.Dropout2d(0.05),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks(self.stem(x))
        return self.fc(x.mean(dim=(2, 3)))


class VGG(nn.Module):
    """Layers as attributes, and functions for all that has no weights."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv_bn(3, 8)
        self.conv2, self.bn2 = conv_bn(8, 16)
        self.conv3, self.bn3 = conv_bn(16, 16)
        self.fc1 = nn.Linear(16 * 4 * 4, 32)
        self.bn4 = nn.BatchNorm1d(32)
        self.fc2 = nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 2)
        x = F.max_pool2d(F.relu(self.bn2(self.conv2(x))), 2)
        x = F.max_pool2d(F.relu(self.bn3(self.conv3(x))), 2)
        x = F.relu(self.bn4(self.fc1(torch.flatten(x, 1))))
        return F.log_softmax(self.fc2(F.dropout(x, 0.1, self.training)), dim=-1)


class DavidNet(nn.Module):
    """A ResNet of nine layers: residual branches behind convs with pooling, the sum after the ReLU."""

    def __init__(self, layer_after_conv: Callable[[int], nn.Module] = nn.BatchNorm2d) -> None:
        super().__init__()
        self.layer_after_conv = layer_after_conv
        self.prep = self.layer(3, 8)
        self.layer1, self.res1 = self.layer(8, 16, pool=True), nn.Sequential(self.layer(16, 16), self.layer(16, 16))
        self.layer2 = self.layer(16, 24, pool=True)
        self.layer3, self.res3 = self.layer(24, 32, pool=True), nn.Sequential(self.layer(32, 32), self.layer(32, 32))
        self.pool, self.fc = nn.MaxPool2d(4), nn.Linear(32, 10, bias=False)

    def layer(self, inputs: int, outputs: int, pool: bool = False) -> nn.Module:
        conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        pools = [nn.MaxPool2d(2)] if pool else []
        return nn.Sequential(conv, *pools, self.layer_after_conv(outputs), nn.ReLU(inplace=True))

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer1(self.prep(x))
        x = self.layer2(x + self.res1(x))
        x = self.layer3(x)
        x = self.pool(x + self.res3(x))
        return self.fc(x.view(x.size(0), -1)) * 0.125


class Dilated(nn.Module):
    """Dilated convs, one ReLU for all places, a 1x1 conv and global average pooling at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.relu = nn.ReLU(inplace=True)
        self.convs = nn.ModuleList([nn.Conv2d(3, 16, 3, padding=1), nn.Conv2d(16, 16, 3, padding=2, dilation=2)])
        self.convs.append(nn.Conv2d(16, 24, 3, stride=2, padding=4, dilation=4))
        self.norms = nn.ModuleList(nn.BatchNorm2d(conv.out_channels) for conv in self.convs)
        self.head = nn.Sequential(nn.Conv2d(24, 10, 1), nn.AvgPool2d(16))

    def forward(self, x: Tensor) -> Tensor:
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = self.relu(norm(conv(x)))
        return self.head(x).reshape(-1, 10)


PEERS: Mapping[str, Callable[[], nn.Module]] = {
    "plain": plain,
    "separable": Separable,
    "vgg": VGG,
    "davidnet": DavidNet,
    "dilated": Dilated,
}
"""Five networks of people with the same assignment, below 50,000 parameters."""


class ConvNeXt(nn.Module):
    """Blocks with layer norm over the channels of images that have them last."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 4, stride=4)
        self.depthwise = nn.Conv2d(16, 16, 7, padding=3, groups=16)
        self.norm = nn.LayerNorm(16, eps=1e-6)
        self.mlp = nn.Sequential(nn.Linear(16, 32), nn.GELU(), nn.Linear(32, 16))
        self.head_norm, self.head = nn.LayerNorm(16), nn.Linear(16, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        block = self.mlp(self.norm(self.depthwise(x).permute(0, 2, 3, 1)))
        x = x + block.permute(0, 3, 1, 2)
        return self.head(self.head_norm(x.mean((2, 3))))


def mlp() -> nn.Module:
    """Linear layers with batch norm over vectors."""
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(3 * 32 * 32, 12),
        nn.BatchNorm1d(12),
        nn.ReLU(),
        nn.Linear(12, 16),
        nn.BatchNorm1d(16),
        nn.ReLU(),
        nn.Linear(16, 10),
    )


def made(network: Callable[[], nn.Module], seed: int = 0) -> nn.Module:
    """The network with its weights drawn from `seed`; torch's random state is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return network()
