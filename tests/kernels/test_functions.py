"""Calls of functions and methods in a network, computed by the ops of the layers that do the same."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from normbench.kernels import accelerate
from normbench.kernels.accelerate import coverage
from tests.kernel_ops import needs_compiler, random_images

pytestmark = needs_compiler
Call = Callable[[Tensor], Tensor]


class Calling(nn.Module):
    """A norm and a call behind it."""

    def __init__(self, call: Call) -> None:
        super().__init__()
        self.norm, self.call = nn.GroupNorm(4, 16), call

    def forward(self, x: Tensor) -> Tensor:
        return self.call(self.norm(x))


def pooled(call: Call) -> Call:
    return lambda x: call(F.adaptive_avg_pool2d(x, 1))


KNOWN: dict[str, Call] = {
    "relu": F.relu,
    "torch.relu": torch.relu,
    "x.relu": lambda x: x.relu(),
    "relu in place": lambda x: F.relu(x, inplace=True),
    "relu6": F.relu6,
    "leaky_relu": lambda x: F.leaky_relu(x, 0.1),
    "elu": lambda x: F.elu(x, alpha=0.5),
    "silu": F.silu,
    "hardswish": F.hardswish,
    "gelu": F.gelu,
    "gelu by tanh": lambda x: F.gelu(x, approximate="tanh"),
    "no dropout": lambda x: F.dropout(x, 0.5, False),
    "max_pool2d": lambda x: F.max_pool2d(x, 2),
    "max_pool2d with padding": lambda x: F.max_pool2d(x, 3, stride=2, padding=1),
    "avg_pool2d": lambda x: F.avg_pool2d(x, 2),
    "adaptive_avg_pool2d": lambda x: F.adaptive_avg_pool2d(x, (1, 1)),
    "x.mean": lambda x: x.mean((2, 3)),
    "x.mean of a list": lambda x: x.mean([-2, -1], keepdim=True),
    "torch.mean": lambda x: torch.mean(x, dim=(2, 3)),
    "torch.flatten": pooled(lambda x: torch.flatten(x, 1)),
    "x.flatten": pooled(lambda x: x.flatten(start_dim=1)),
    "view of x.size(0)": pooled(lambda x: x.view(x.size(0), -1)),
    "view of x.size()": pooled(lambda x: x.view(x.size()[0], 16)),
    "reshape of x.shape": pooled(lambda x: x.reshape((x.shape[0], x.shape[1]))),
    "view of channels": pooled(lambda x: x.view(-1, 16)),
    "torch.reshape": pooled(lambda x: torch.reshape(x, (-1, 16))),
    "relu of vectors": pooled(lambda x: F.relu(x.flatten(1))),
    "sum of vectors": lambda x: x.mean((2, 3)) + F.adaptive_avg_pool2d(x, 1).flatten(1),
}
OTHER: dict[str, Call] = {
    "mean of channels": lambda x: x.mean(1),
    "mean of all": lambda x: x.mean(),
    "flatten with pixels": lambda x: torch.flatten(x, 1),
    "flatten with images": pooled(torch.flatten),
    "view of all": pooled(lambda x: x.view(-1)),
    "view of pairs": pooled(lambda x: x.view(-1, 8)),
    "max_pool2d with ceil_mode": lambda x: F.max_pool2d(x, 2, ceil_mode=True),
    "indices": lambda x: F.max_pool2d(x, 2, return_indices=True)[0],
    "sum of vectors and images": lambda x: x.mean((2, 3)) + x.mean((2, 3), keepdim=True),
    "an element": lambda x: x[0],
}


@pytest.mark.parametrize("name", [*KNOWN, *OTHER])
def test_a_call_gives_what_it_gave_before(name: str) -> None:
    torch.manual_seed(0)
    network = Calling((KNOWN | OTHER)[name])
    x = random_images(4, 16, 7, 3).requires_grad_()
    found, expected = accelerate(network)(x), network(x)
    assert found.shape == expected.shape
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    (d_x,), (wanted,) = (torch.autograd.grad(y.square().sum(), x) for y in (found, expected))
    torch.testing.assert_close(d_x, wanted, rtol=1e-4, atol=1e-5)
    assert name in OTHER or coverage(network, x.detach()).left == 0


def test_a_dropout_that_is_called_draws_another_mask_each_time() -> None:
    network, x = Calling(lambda x: F.dropout(x, 0.25)), random_images(8, 16, 12, 12)
    assert coverage(network, x) == (2, 0)
    called, plain = accelerate(network), network.norm(x)
    first, second = called(x), called(x)
    for y in (first, second):
        kept = y != 0
        assert kept.float().mean().item() == pytest.approx(0.75, abs=0.02)
        torch.testing.assert_close(y, torch.where(kept, plain / 0.75, 0), rtol=1e-4, atol=1e-4)
    assert not torch.equal(first, second)


@pytest.mark.parametrize("make", [nn.ReLU6, nn.SiLU, nn.LeakyReLU])
def test_an_activation_in_place_is_seen_by_the_other_readers(make: type[nn.Module]) -> None:
    class Shared(Calling):
        def forward(self, x: Tensor) -> Tensor:
            y = self.norm(x)
            return y + self.activation(self.none(y))

    network, x = Shared(F.relu), random_images(4, 16, 6, 6)
    network.activation, network.none = make(inplace=True), nn.Identity()
    torch.testing.assert_close(accelerate(network)(x), network(x), rtol=1e-4, atol=1e-5)


def test_a_linear_layer_on_images_takes_their_last_axis() -> None:
    network, x = Calling(lambda x: F.adaptive_avg_pool2d(x, 1)), random_images(4, 16, 7, 3)
    network = nn.Sequential(network, nn.Linear(1, 5))
    torch.testing.assert_close(accelerate(network)(x), network(x))


def test_a_network_ends_in_vectors() -> None:
    """As many do: pool, flatten, linear layer, activation, dropout, linear layer."""
    torch.manual_seed(0)
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(48, 16), nn.ReLU(), nn.Dropout(0.0), nn.Linear(16, 10)]
    network = nn.Sequential(nn.BatchNorm2d(48), nn.SiLU(), nn.MaxPool2d(3, 2, 1), *head)
    x = random_images(5, 48, 8, 8)
    assert coverage(network, x) == (len(network), 0)
    torch.testing.assert_close(accelerate(network)(x), network(x), rtol=1e-4, atol=1e-5)
