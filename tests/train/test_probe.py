"""What a few steps decide: the engine, with the time of compiling in the account; nothing else changes."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from normbench.data.normalization import CIFAR10_CONSTANTS
from normbench.models.registry import MODELS
from normbench.models.task import CIFAR10
from normbench.norms import NORMS
from normbench.train.probe import faster_engine, is_lowered
from normbench.train.setting import Setting
from tests.kernel_ops import needs_compiler
from tests.tiny_splits import make_raw

BF16 = Setting(torch.device("cpu"), "bf16", normalization=CIFAR10_CONSTANTS)
IMAGES = make_raw().train.images[:4]
SHORT, LONG = 1, 10**12  # steps


def reference() -> nn.Module:
    return MODELS["reference"](NORMS["bn"](), CIFAR10)


class Refused(nn.Module):
    """Small, with a dropout; it needs a value to go on, so that `torch.compile` refuses it."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.BatchNorm2d(3), nn.Dropout(0.5), nn.AdaptiveAvgPool2d(1), nn.Flatten())

    def forward(self, x: Tensor) -> Tensor:
        x = self.layers(x)
        return x if x.sum() > 0 else -x


@pytest.mark.parametrize("num_steps", [SHORT, LONG])
def test_where_compiling_does_not_pay_or_fails_it_is_not_chosen(num_steps: int, said: list[str]) -> None:
    network, state = Refused(), torch.get_rng_state()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    assert faster_engine(network, IMAGES, BF16, num_steps) in ("kernels", "eager")
    assert any(line.startswith("note") for line in said) == (num_steps == LONG)  # a short training does not try it
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert network.layers[0].weight.grad is None


@needs_compiler
@pytest.mark.parametrize(("make", "expected"), [(reference, True), (Refused, False)])
def test_a_network_is_lowered_if_ops_compute_all_of_it(make: Callable[[], nn.Module], expected: bool) -> None:
    network = make()
    assert is_lowered(network, IMAGES, BF16) is expected
    assert all(tensor.grad is None for tensor in network.parameters())
