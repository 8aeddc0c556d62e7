"""Weights cast in one call: the bits of autocast, and only where nobody else reads a weight."""

from collections import Counter
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from normbench.data.normalization import CIFAR10_CONSTANTS
from normbench.kernels.library import without_kernels
from normbench.models.registry import MODELS
from normbench.models.task import CIFAR10
from normbench.norms import NORM_REGISTRY
from normbench.train.casts import CastAtOnce, casts_at_once
from normbench.train.passes import WAYS
from normbench.train.setting import Setting

BF16 = Setting(torch.device("cpu"), "bf16", normalization=CIFAR10_CONSTANTS)


class Casts(TorchDispatchMode):
    """Counts the operations that copy a tensor, or several, into another dtype."""

    def __init__(self) -> None:
        super().__init__()
        self.found: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if "_to_copy" in str(func) or "foreach_copy" in str(func):
            self.found[str(func)] += 1
        return func(*args, **(kwargs or {}))


def a_pass(way: str, at_once: bool, **options: object) -> tuple[list[Tensor | None], int]:
    """Losses, logits and gradients of two networks, and the number of casts, as on a GPU without kernels."""
    networks = []
    for seed in range(2):
        torch.manual_seed(seed)
        factory, conv = NORM_REGISTRY["gn"](**options)
        network = MODELS["reference"](factory, CIFAR10, conv).train()
        networks.append(network.to(memory_format=BF16.memory_format))
    images = torch.randint(0, 256, (2, 8, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(2))
    labels = torch.arange(16).view(2, 8) % 10
    with without_kernels():
        run = WAYS[way](networks, BF16, casts=lambda *_: at_once)
        run(images, labels)  # the next pass casts into the same memory, after a step has changed the weights
        with torch.no_grad():
            torch._foreach_mul_([parameter for network in networks for parameter in network.parameters()], 1.5)
        with Casts() as casts:
            found = run(images, labels)
    gradients = [parameter.grad for network in networks for parameter in network.parameters()]
    return [*found, *gradients], casts.found.total()


@pytest.mark.parametrize(("way", "ws"), [("lanes", False), ("wide", False), ("lanes", True)])
def test_a_pass_has_the_bits_of_autocast_with_fewer_casts(way: str, ws: bool) -> None:
    found, num_casts = a_pass(way, at_once=True, ws=ws)
    expected, num_casts_of_autocast = a_pass(way, at_once=False, ws=ws)
    for ours, theirs in zip(found, expected, strict=True):
        assert (ours is None and theirs is None) or (ours is not None and torch.equal(ours, theirs))
        assert ours is None or ours.dtype == theirs.dtype
    assert num_casts < num_casts_of_autocast / (1 if ws else 4)  # ws: most convs keep their float32 weights


class Reading(nn.Module):
    """A layer from outside that reads the weight of another one."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        return x @ nn.functional.normalize(self.linear.weight)


def test_shared_weights_and_networks_with_layers_from_outside_are_left_to_autocast() -> None:
    cuda = Setting(torch.device("cuda"), "bf16", normalization=CIFAR10_CONSTANTS)
    shared = nn.Sequential(nn.Linear(3, 3), nn.Bilinear(3, 3, 3))
    shared[1].bias = shared[0].bias
    called = CastAtOnce(shared)
    assert called.leaf(shared[0].weight).dtype == torch.bfloat16
    assert called.leaf(shared[0].bias) is shared[0].bias
    assert casts_at_once(shared, cuda)
    assert not casts_at_once(Reading(), cuda)
    assert not casts_at_once(shared, BF16)
