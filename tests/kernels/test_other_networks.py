"""Networks of others, accelerated: the plain network's numbers at any size, number of channels and batch."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision import models

from normbench.kernels import accelerate
from normbench.kernels.accelerate import coverage
from tests.kernel_ops import needs_compiler, random_images
from tests.network_steps import autocast, compare
from tests.peer_networks import PEERS, ConvNeXt, mlp

LAST = torch.channels_last


class KnownWidths(nn.Module):
    """Convs of 16 and 32 channels, which ops know, and PyTorch's dropout; a linear classifier."""

    def __init__(self, colours: int = 3, drop: float = 0.0) -> None:
        super().__init__()

        def block(inputs: int, outputs: int) -> list[nn.Module]:
            conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
            return [conv, nn.BatchNorm2d(outputs), nn.ReLU(), nn.Dropout(drop)]

        self.features = nn.Sequential(
            *(*block(colours, 16), *block(16, 32), nn.MaxPool2d(2)),
            *(nn.Conv2d(32, 16, 1), *block(16, 32), nn.MaxPool2d(2), *block(32, 32)),
        )
        self.classifier = nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(F.adaptive_avg_pool2d(self.features(x), 1).view(-1, 32))


class PreActivation(nn.Module):
    """Residual blocks of norm, ReLU and conv: their first ReLU has two readers, their shortcut pools by the mean."""

    class Block(nn.Module):
        def __init__(self, inputs: int, outputs: int, stride: int) -> None:
            super().__init__()
            self.norm1, self.norm2 = nn.BatchNorm2d(inputs), nn.BatchNorm2d(outputs)
            self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
            self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
            shortcut = nn.Sequential(nn.AvgPool2d(stride, ceil_mode=True), nn.Conv2d(inputs, outputs, 1, bias=False))
            self.shortcut = None if inputs == outputs else shortcut

        def forward(self, x: Tensor) -> Tensor:
            out = F.relu(self.norm1(x))
            shortcut = x if self.shortcut is None else self.shortcut(out)
            return self.conv2(F.relu(self.norm2(self.conv1(out)))) + shortcut

    def __init__(self, colours: int = 3) -> None:
        super().__init__()
        self.stem = nn.Conv2d(colours, 16, 3, padding=1, bias=False)
        self.blocks = nn.Sequential(self.Block(16, 16, 1), self.Block(16, 24, 2), self.Block(24, 32, 2))
        self.norm, self.last = nn.BatchNorm2d(32), nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(F.relu(self.norm(self.blocks(self.stem(x)))).mean((2, 3)))


def made(make: Callable[[], nn.Module]) -> nn.Module:
    """The network in training mode, without dropout: an op and PyTorch draw other masks from one seed."""
    torch.manual_seed(0)
    network = make().to(memory_format=LAST).train()
    for layer in network.modules():
        if isinstance(layer, nn.Dropout | nn.Dropout2d):
            layer.p = 0.0
    return network


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("shape", [(33, 1, 28, 28), (2, 3, 64, 64), (1, 3, 96, 96), (5, 3, 31, 17)], ids=str)
@pytest.mark.parametrize("kind", [KnownWidths, PreActivation])
def test_any_size_and_number_of_channels(
    kind: Callable[[int], nn.Module], shape: tuple[int, ...], precision: str
) -> None:
    compare(made(lambda: kind(shape[1])), random_images(*shape), precision)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("make", [PEERS["davidnet"], PEERS["dilated"], ConvNeXt, mlp])
def test_layers_that_no_op_knows(make: Callable[[], nn.Module], precision: str) -> None:
    compare(made(make), random_images(5, 3, 32, 32), precision)


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2"])
def test_torchvision_networks(name: str) -> None:
    compare(made(lambda: getattr(models, name)(num_classes=10)), random_images(3, 3, 32, 32), "bf16")


@needs_compiler
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_plain_network_of_growing_widths_is_lowered_whole(precision: str) -> None:
    def block(inputs: int, outputs: int, stride: int) -> list[nn.Module]:
        return [nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]

    def plain() -> nn.Module:
        layers = [*block(3, 16, 1), *block(16, 32, 2), *block(32, 64, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
        return nn.Sequential(*layers, nn.Linear(64, 10))

    images = random_images(4, 3, 13, 16)
    compare(made(plain), images, precision)
    with autocast(precision):
        assert coverage(made(plain), images).left == 0


@needs_compiler
def test_coverage_counts_what_ops_compute() -> None:
    images = random_images(4, 3, 32, 32)
    with autocast("bf16"):
        known, other = coverage(made(KnownWidths), images), coverage(made(PEERS["vgg"]), images)
    assert known.left == 0
    assert other.left is not None
    assert other.left > other.lowered


@needs_compiler
def test_pytorchs_dropout_is_an_epilogue_whose_mask_follows_from_the_global_seed() -> None:
    layer = nn.BatchNorm2d(16, affine=False)
    network = nn.Sequential(layer, nn.ReLU(), nn.Dropout(0.25)).train()
    called, x = accelerate(network), random_images(8, 16, 12, 12).requires_grad_()
    assert coverage(network, x) == (3, 0)

    def drawn(seed: int) -> Tensor:
        torch.manual_seed(seed)
        return called(x)

    found, plain = drawn(1), F.relu(layer(x))
    assert torch.equal(found, drawn(1))
    assert not torch.equal(found, drawn(2))
    kept = (found != 0) | (plain == 0)
    assert kept.float().mean().item() == pytest.approx(1 - 0.25 * (plain > 0).float().mean().item(), abs=0.02)
    torch.testing.assert_close(found, torch.where(kept, plain / 0.75, 0), rtol=1e-4, atol=1e-4)
    network.eval()
    torch.testing.assert_close(called(x), F.relu(layer(x)))
