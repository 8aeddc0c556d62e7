"""Activations are taken out behind norms that have one of their own, and nowhere else."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from normbench.errors import ConfigError
from normbench.models.exchange import exchange
from normbench.norms import NORM_REGISTRY
from tests.peer_networks import Dilated, made, plain


class Branched(nn.Module):
    """A norm whose output goes where `forward_as` says; `shared` is called twice."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.norm, self.act, self.kind = nn.BatchNorm2d(3), nn.ReLU(), kind

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(x)
        match self.kind:
            case "function":
                return F.relu(y)
            case "sum":
                return self.act(y + x)
            case "both":
                return self.act(y) + y
            case _:
                return self.act(self.act(y) + x)


@pytest.mark.parametrize("kind", ["frn", "evo-s0"])
@pytest.mark.parametrize("network", [plain, Dilated])
def test_the_relu_behind_such_a_norm_becomes_the_identity(network, kind: str) -> None:  # type: ignore[no-untyped-def]
    found = made(network)
    exchange(found, NORM_REGISTRY[kind]()[0], (3, 32, 32))
    assert not [layer for layer in found.modules() if isinstance(layer, nn.ReLU)]
    found(torch.randn(2, 3, 32, 32)).sum().backward()
    assert all(parameter.grad is not None for parameter in found.parameters())


@pytest.mark.parametrize("kind", ["function", "sum", "both", "elsewhere too"])
def test_an_activation_that_cannot_be_taken_out_is_refused_for_those_norms_only(kind: str) -> None:
    with pytest.raises(ConfigError, match=r"layer norm .*FilterResponseNorm2d"):
        exchange(Branched(kind), NORM_REGISTRY["frn"]()[0], (3, 4, 4))
    network = Branched(kind)
    exchange(network, NORM_REGISTRY["ln"]()[0], (3, 4, 4))
    assert isinstance(network.act, nn.ReLU)
