"""Norms against the same layers of timm and PyTorch, with their gradients."""

import warnings
from collections.abc import Callable

import pytest
import torch
from torch import nn

from normbench.norms import NORMS
from normbench.norms.weight_standardization import StandardizedConv2d

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what timm's own imports warn of is not ours
    layers = pytest.importorskip("timm.layers", reason="timm is a development dependency")

CHANNELS, SIZE = 32, (6, 5)
CLOSE = {"rtol": 1e-4, "atol": 1e-4}  # timm takes some statistics in float32 even of float64


class RMSNormOverChannels(nn.RMSNorm):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


ORACLES: dict[str, tuple[Callable[[], nn.Module], Callable[[], nn.Module]]] = {
    "evo-s0": (lambda: NORMS["evo-s0"](num_groups=4)(CHANNELS, SIZE), lambda: layers.EvoNorm2dS0(CHANNELS, groups=4)),
    "frn": (lambda: NORMS["frn"]()(CHANNELS, SIZE), lambda: layers.FilterResponseNormTlu2d(CHANNELS)),
    "ln-c": (lambda: NORMS["ln-c"]()(CHANNELS, SIZE), lambda: layers.LayerNorm2d(CHANNELS, eps=1e-5)),
    "rms": (lambda: NORMS["rms"]()(CHANNELS, SIZE), lambda: layers.RmsNorm2d(CHANNELS, eps=1e-5)),
    "rms of PyTorch": (lambda: NORMS["rms"]()(CHANNELS, SIZE), lambda: RMSNormOverChannels(CHANNELS, eps=1e-5)),
    "ln-chw": (lambda: NORMS["ln-chw"]()(CHANNELS, SIZE), lambda: nn.LayerNorm([CHANNELS, *SIZE])),
    "in": (lambda: NORMS["in"]()(CHANNELS, SIZE), lambda: nn.InstanceNorm2d(CHANNELS, affine=True)),
    "ws": (
        lambda: StandardizedConv2d(CHANNELS, 8, 3, padding=1),
        lambda: layers.StdConv2d(CHANNELS, 8, 3, padding=1, bias=True, eps=1e-5),
    ),
}


@pytest.mark.parametrize("name", ORACLES)
def test_is_the_same_layer(name: str) -> None:
    ours, theirs = (make().double() for make in ORACLES[name])
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for mine, other in zip(ours.named_parameters(), theirs.named_parameters(), strict=True):
            assert mine[0] == other[0]
            mine[1].copy_(torch.randn(mine[1].shape, generator=generator))
            other[1].copy_(mine[1])
    x = torch.randn(3, CHANNELS, *SIZE, generator=generator).double() * 2 + 1
    images = [x.clone(memory_format=torch.channels_last).requires_grad_(), x.clone().requires_grad_()]
    outputs = [ours(images[0]), theirs(images[1])]
    torch.testing.assert_close(*outputs, **CLOSE)
    upstream = torch.randn(outputs[0].shape, generator=generator).double()
    found = torch.autograd.grad(outputs[0], [images[0], *ours.parameters()], upstream)
    wanted = torch.autograd.grad(outputs[1], [images[1], *theirs.parameters()], upstream)
    for gradient, other_gradient in zip(found, wanted, strict=True):
        torch.testing.assert_close(gradient, other_gradient, **CLOSE)
