"""Networks whose norm layers cannot be exchanged: one trap of each kind, refused by the name of the layer."""

from collections.abc import Callable

import pytest
import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional as F

from normbench.errors import ConfigError
from normbench.models.exchange import exchange
from normbench.norms import NORM_REGISTRY

SHAPE = (3, 8, 8)
HIDDEN = nn.BatchNorm2d(3)


class Calling(nn.Module):
    """A network of one layer that its forward calls as it is told."""

    def __init__(self, layer: nn.Module, call: Callable[["Calling", Tensor], Tensor]) -> None:
        super().__init__()
        self.layer, self.call = layer, call

    def forward(self, x: Tensor) -> Tensor:
        return self.call(self, x)


class Activated(nn.BatchNorm2d):
    def forward(self, x: Tensor) -> Tensor:
        return F.relu(super().forward(x))


class Scaled(nn.BatchNorm2d):
    def __init__(self, num_features: int) -> None:
        super().__init__(num_features)
        self.scale = nn.Parameter(torch.ones(()))


class StaysInEval(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(3)

    def train(self, mode: bool = True) -> "StaysInEval":
        super().train(mode)
        self.norm.eval()
        return self

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x)


def sequence(norm: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3), norm)


def with_shared_weights() -> nn.Module:
    network = nn.Sequential(nn.BatchNorm2d(3), nn.BatchNorm2d(3))
    network[1].weight = network[0].weight
    return network


def frozen(norm: nn.Module) -> nn.Module:
    return norm.requires_grad_(False)


def with_hook(norm: nn.Module) -> nn.Module:
    norm.register_forward_hook(lambda module, args, output: output)
    return norm


def parametrized(norm: nn.Module) -> nn.Module:
    nn.utils.parametrize.register_parametrization(norm, "weight", nn.Softplus())
    return norm


def compiled_in_place(norm: nn.Module) -> nn.Module:
    norm.compile()
    return norm


TRAPS: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "subclass with an activation": (lambda: sequence(Activated(4)), r"layer 1 \(Activated\)"),
    "subclass with a parameter": (lambda: sequence(Scaled(4)), r"layer 1 \(Scaled\)"),
    "between processes": (lambda: sequence(nn.SyncBatchNorm(4)), r"layer 1 \(SyncBatchNorm\).*BatchNorm2d"),
    "as a function": (
        lambda: Calling(nn.Identity(), lambda self, x: F.group_norm(x, 3)),
        r"the network \(Calling\) calls group_norm",
    ),
    "as a function in a layer": (
        lambda: nn.Sequential(Calling(nn.Identity(), lambda self, x: F.batch_norm(x, None, None, training=True))),
        r"layer 0 \(Calling\) calls batch_norm",
    ),
    "with the weights of a layer": (
        lambda: Calling(
            nn.BatchNorm2d(3),
            lambda self, x: torch.batch_norm(x, *self.layer.parameters(), *[None] * 2, True, 0.1, 1e-5, False),
        ),
        "calls batch_norm",
    ),
    "not registered": (
        lambda: Calling(nn.Identity(), lambda self, x: HIDDEN(x)),
        "not registered",
    ),
    "scripted": (lambda: nn.Sequential(torch.jit.trace(nn.ReLU(), torch.zeros(1))), "TorchScript"),
    "compiled in place": (lambda: sequence(compiled_in_place(nn.BatchNorm2d(4))), r"layer 1 .*torch\.compile"),
    "fused": (lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), "no norm layer"),
    "lazy": (lambda: sequence(nn.LazyBatchNorm2d()), r"layer 1 \(LazyBatchNorm2d\) is lazy"),
    "lazy elsewhere": (
        lambda: nn.Sequential(nn.LazyConv2d(4, 3), nn.BatchNorm2d(4)),
        r"layer 0 \(LazyConv2d\) is lazy",
    ),
    "frozen": (lambda: sequence(frozen(nn.BatchNorm2d(4))), "layer 1 .*requires_grad"),
    "frozen in evaluation mode": (StaysInEval, "layer norm .*evaluation mode"),
    "without statistics": (
        lambda: sequence(nn.BatchNorm2d(4, track_running_stats=False)),
        "layer 1 .*track_running_stats",
    ),
    "3d": (lambda: nn.Sequential(nn.Unflatten(1, (3, 1)), nn.BatchNorm3d(3)), r"layer 1 \(BatchNorm3d\)"),
    "group norm in 3d": (lambda: nn.Sequential(nn.Unflatten(1, (3, 1)), nn.GroupNorm(1, 3)), r"layer 1 .*axes"),
    "never called": (lambda: Calling(nn.BatchNorm2d(3), lambda self, x: x), "layer layer .*never called"),
    "shared weights": (with_shared_weights, "layer 0 .*shares"),
    "hooks": (lambda: sequence(with_hook(nn.BatchNorm2d(4))), "layer 1 .*hooks"),
    "parametrized": (lambda: sequence(parametrized(nn.BatchNorm2d(4))), "layer 1 .*parametrization"),
    "a norm alone": (lambda: nn.BatchNorm2d(3), "nn.Sequential"),
    "batch on another axis": (
        lambda: Calling(nn.LayerNorm(3), lambda self, x: self.layer(x.flatten(2).permute(2, 0, 1))),
        "layer layer .*batch",
    ),
    "over rows": (lambda: sequence(nn.LayerNorm(6)), "layer 1 .*other axes"),
    "frozen by its class": (lambda: sequence(torchvision.ops.FrozenBatchNorm2d(4)), "layer 1 .*frozen"),
    "over pixels": (lambda: sequence(nn.LayerNorm([6, 6])), "layer 1 .*other axes"),
    "two forms of input": (
        lambda: Calling(nn.GroupNorm(1, 3), lambda self, x: self.layer(x).flatten(2) + self.layer(x.flatten(2))),
        "layer layer .*forms",
    ),
    "weights that are read": (
        lambda: nn.Sequential(nn.Flatten(2), nn.TransformerEncoderLayer(64, 2, 8, batch_first=True)),
        r"layer 1 \(TransformerEncoderLayer\)",
    ),
}


@pytest.mark.parametrize("trap", TRAPS)
@pytest.mark.filterwarnings("ignore:Lazy modules", "ignore:.*torch.jit", "ignore::DeprecationWarning")
def test_a_network_that_cannot_be_exchanged_is_refused_with_any_norm(trap: str) -> None:
    make, message = TRAPS[trap]
    for kind in ("gn", "none"):
        with pytest.raises(ConfigError, match=message):
            exchange(make(), NORM_REGISTRY[kind]()[0], SHAPE)


def test_standardized_weights_are_no_norm_of_the_network() -> None:
    class Standardized(nn.Conv2d):
        def forward(self, x: Tensor) -> Tensor:
            return self._conv_forward(x, F.layer_norm(self.weight, self.weight.shape[1:]), self.bias)

    network = nn.Sequential(Standardized(3, 4, 3), nn.BatchNorm2d(4))
    assert len(exchange(network, NORM_REGISTRY["gn"]()[0], SHAPE).rows) == 1
