"""The graph of a network by tracing: its operations, and the networks that have none."""

import operator
import random
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from normbench.kernels.tracing import trace
from normbench.models.registry import MODELS
from normbench.models.task import CIFAR10
from normbench.norms import NORMS


class Network(nn.Module):
    """A network with a forward of the test's."""

    def __init__(self, function: Callable[["Network", Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function
        self.norm = nn.BatchNorm2d(16)
        self.register_buffer("steps", torch.tensor(0))
        self.num_calls = 0

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self, x)


def counts_its_calls(network: Network, x: Tensor) -> Tensor:
    network.num_calls += 1
    return network.norm(x)


def moves_a_buffer(network: Network, x: Tensor) -> Tensor:
    network.steps += 1
    return network.norm(x)


@pytest.mark.parametrize(
    "function",
    [
        lambda network, x: network.norm(x) if x.sum() > 0 else x,
        lambda network, x: network.norm(x) if torch.rand(()) < 0.5 else x,
        lambda network, x: network.norm(x) if random.random() < 0.5 else x,  # noqa: S311  (stochastic depth)
        lambda network, x: network.norm(x) * len(x),
        counts_its_calls,
        moves_a_buffer,
    ],
    ids=["branch on a value", "torch's random", "Python's random", "length", "setting", "buffer"],
)
def test_a_forward_that_needs_a_value_or_changes_something_has_no_graph(
    function: Callable[[Network, Tensor], Tensor],
) -> None:
    """And to try leaves no trace: in the network, or in the random states."""
    network = Network(function)
    before, states = {name: value.clone() for name, value in network.state_dict().items()}, random.getstate()
    torch_state = torch.get_rng_state()
    assert trace(network) is None
    assert network.num_calls == 0
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert random.getstate() == states
    assert torch.equal(torch.get_rng_state(), torch_state)


def test_the_graph_has_the_operations_in_their_order() -> None:
    def forward(network: Network, x: Tensor) -> Tensor:
        y = network.norm(x)
        y += x
        return y.flatten(1)

    traced = trace(Network(forward))
    assert traced is not None
    assert [node.target for node in traced.nodes] == ["norm", operator.iadd, "flatten"]


@pytest.mark.parametrize("training", [True, False])
def test_the_graph_is_that_of_the_training_mode(training: bool) -> None:
    traced = trace(Network(lambda network, x: network.norm(x) if network.training else x).train(training))
    assert traced is not None
    assert len(traced.nodes) == training


@pytest.mark.parametrize("kind", NORMS)
@pytest.mark.parametrize("model", MODELS)
def test_every_network_has_a_graph_with_every_norm(model: str, kind: str) -> None:
    traced = trace(MODELS[model](NORMS[kind](), CIFAR10))
    assert traced is not None
    assert sum(getattr(module, "is_norm", False) for module in traced.modules.values()) == (0 if kind == "none" else 8)


@pytest.mark.parametrize(
    "change",
    [
        lambda network: network.norm.register_forward_hook(lambda *_: None),
        lambda network: network.norm.register_full_backward_pre_hook(lambda *_: None),
        lambda network: setattr(network.norm, "forward", lambda x: x),
        lambda network: setattr(network.norm, "eps", 0.5),
        lambda network: setattr(network, "norm", nn.Identity()),
        lambda network: network.norm.double(),
        lambda network: setattr(network.norm, "weight", nn.Parameter(torch.ones(32)[::2])),
    ],
    ids=["hook", "backward hook", "forward", "setting", "layer", "type", "strides"],
)
def test_guards_hold_until_the_network_changes(change: Callable[[Network], object]) -> None:
    network = Network(lambda network, x: network.norm(x))
    traced = trace(network)
    assert traced is not None
    with torch.no_grad():
        network.norm.weight.add_(1)
    network.eval()
    assert traced.guards.hold()
    change(network)
    assert not traced.guards.hold()
