"""Exchanged networks compute what they would if they had been written with the other norm."""

import warnings
from collections.abc import Callable
from copy import deepcopy

import pytest
import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional as F

from normbench.errors import ConfigError
from normbench.models.count import count_norms
from normbench.models.exchange import Exchange, exchange
from normbench.norms import NORM_REGISTRY
from normbench.norms.weight_standardization import StandardizedConv2d
from tests.peer_networks import PEERS, ConvNeXt, DavidNet, made, mlp

SHAPE = (3, 32, 32)
NETWORKS: dict[str, Callable[[], nn.Module]] = {
    **PEERS,
    "convnext": ConvNeXt,
    "mlp": mlp,
    "resnet18": lambda: torchvision.models.resnet18(num_classes=10),
    "mobilenet_v2": lambda: torchvision.models.mobilenet_v2(num_classes=10),
}


def exchanged(network: nn.Module, kind: str, shape: tuple[int, int, int] = SHAPE, **options: object) -> Exchange:
    norm, conv = NORM_REGISTRY[kind](**options)
    return exchange(network, norm, shape, own_options=options, conv=conv)


def step(network: nn.Module) -> tuple[Tensor, dict[str, Tensor], Tensor]:
    """The loss of a training step, its gradients, and the logits in evaluation after it."""
    generator = torch.Generator().manual_seed(1)
    images, labels = torch.randn(6, *SHAPE, generator=generator), torch.arange(6)
    torch.manual_seed(2)  # for dropout
    loss = F.cross_entropy(network.train()(images), labels)
    loss.backward()
    gradients = {name: parameter.grad for name, parameter in network.named_parameters()}
    return loss, gradients, network.eval()(images)


@pytest.mark.parametrize("name", [name for name in NETWORKS if name != "convnext"])
def test_batch_norm_for_batch_norm_changes_no_bit(name: str) -> None:
    network = made(NETWORKS[name])
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            layer.eps, layer.momentum = 1e-3, 0.2
    loss, gradients, logits = step(exchanged(deepcopy(network), "bn").network)
    expected_loss, expected, expected_logits = step(network)
    assert torch.equal(loss, expected_loss)
    assert torch.equal(logits, expected_logits)
    for ours, theirs in zip(gradients.values(), expected.values(), strict=True):
        assert torch.equal(ours, theirs)


def test_group_norm_is_as_if_written_by_hand() -> None:
    by_hand = made(lambda: DavidNet(lambda channels: nn.GroupNorm(4, channels)))
    loss, gradients, logits = step(exchanged(made(DavidNet), "gn", num_groups=4).network)
    expected_loss, expected, expected_logits = step(by_hand)
    assert torch.equal(loss, expected_loss)
    assert torch.equal(logits, expected_logits)
    assert gradients.keys() == expected.keys()
    assert all(torch.equal(gradients[name], expected[name]) for name in expected)


def test_layer_norm_over_channels_is_the_layer_norm_of_channels_last() -> None:
    network = made(ConvNeXt)
    loss, gradients, logits = step(exchanged(deepcopy(network), "ln-c").network)
    expected_loss, expected, expected_logits = step(network)
    torch.testing.assert_close((loss, logits), (expected_loss, expected_logits), rtol=1e-6, atol=1e-6)
    for ours, theirs in zip(gradients.values(), expected.values(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", ["gn", "ln-chw", "rms", "brn", "dyt", "none"])
@pytest.mark.parametrize("name", ["vgg", "dilated", "convnext", "mlp"])
def test_all_norms_take_all_forms_of_input(name: str, kind: str) -> None:
    result = exchanged(made(NETWORKS[name]), kind)
    assert all(gradient is not None for gradient in step(result.network)[1].values())
    assert sum(count_norms(result.network)["norm_layers"].values()) == (0 if kind == "none" else len(result.rows))


def test_no_random_number_is_drawn_and_the_weights_stay() -> None:
    network = made(NETWORKS["vgg"])
    before, state = network.conv1.weight.clone(), torch.random.get_rng_state()
    exchanged(network, "gn")
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.equal(network.conv1.weight, before)


def test_the_modes_and_the_statistics_of_the_rest_stay() -> None:
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Dropout())
    network[1].running_mean.fill_(3)
    network[2].eval()
    exchanged(network, "bn")
    assert [layer.training for layer in network] == [True, True, False]
    assert torch.equal(network[1].running_mean, torch.full((8,), 3.0))


def test_a_layer_in_two_places_is_exchanged_once_and_stays_shared() -> None:
    norm = nn.BatchNorm2d(8)
    network = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), norm, nn.ReLU(), nn.Conv2d(8, 8, 3, stride=2), norm)
    (row,) = exchanged(network, "gn").rows
    assert network[1] is network[4]
    assert row.paths == ("1", "4")
    assert row.sizes == ((32, 32), (15, 15))
    with pytest.raises(ConfigError, match=r"layer 1 \(GroupNorm\).*several sizes"):
        exchanged(network, "ln-chw")


def test_the_rows_say_what_was_exchanged_in_the_order_of_the_forward_pass() -> None:
    rows = exchanged(made(NETWORKS["vgg"]), "gn", num_groups=8).rows
    assert [(row.paths, row.was, row.now, row.num_channels, row.sizes, row.num_groups) for row in rows] == [
        (("bn1",), "BatchNorm2d", "GroupNorm", 8, ((32, 32),), 8),
        (("bn2",), "BatchNorm2d", "GroupNorm", 16, ((16, 16),), 8),
        (("bn3",), "BatchNorm2d", "GroupNorm", 16, ((8, 8),), 8),
        (("bn4",), "BatchNorm1d", "GroupNorm", 32, ((1, 1),), 8),
    ]


def test_groups_that_do_not_divide_are_refused_with_the_channels_of_the_whole_network() -> None:
    with pytest.raises(ConfigError, match=r"8, 16, 24, 32") as error:
        exchanged(made(DavidNet), "gn", num_groups=16)
    assert "allowed: 1, 2, 4, 8" in str(error.value)


def test_standardized_convs_are_those_before_the_norms_and_keep_their_weights() -> None:
    network = made(DavidNet)
    weight = network.prep[0].weight
    exchanged(network, "gn", ws=True)
    convs = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    assert all(type(conv) is StandardizedConv2d for conv in convs)
    assert convs[0].weight is weight
    dilated = exchanged(made(NETWORKS["dilated"]), "gn", ws=True).network
    assert type(dilated.head[0]) is nn.Conv2d


def test_layers_that_are_called_by_another_reference_are_refused() -> None:
    class Hidden(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.BatchNorm2d(3)
            self.calls = [self.norm]

        def forward(self, x: Tensor) -> Tensor:
            return self.calls[0](x)

    with pytest.raises(ConfigError, match=r"layer norm .*reference"):
        exchanged(Hidden(), "gn", num_groups=1)


def test_a_network_that_reads_its_norm_layers_is_refused() -> None:
    class Reading(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.BatchNorm2d(3)

        def forward(self, x: Tensor) -> Tensor:
            return self.norm(x) + self.norm.running_mean.sum()

    with pytest.raises(ConfigError, match=r"GroupNorm.*AttributeError.*running_mean"):
        exchanged(Reading(), "gn", num_groups=1)


@pytest.mark.parametrize("name", ["resnet10t", "convnext_atto"])
def test_networks_of_timm(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what timm's own imports warn of is not ours
        timm = pytest.importorskip("timm", reason="timm is a development dependency")
        network = timm.create_model(name, num_classes=10)
    num_norms = sum(isinstance(layer, nn.BatchNorm2d | nn.LayerNorm) for layer in network.modules())
    result = exchanged(network, "gn", (3, 64, 64), num_groups=8)
    assert len(result.rows) == num_norms
    assert sum(count_norms(network)["norm_layers"].values()) == num_norms
    assert network(torch.zeros(2, 3, 64, 64)).shape == (2, 10)


def test_layers_of_timm_that_hold_an_activation_are_refused() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        layers = pytest.importorskip("timm.layers", reason="timm is a development dependency")
    with pytest.raises(ConfigError, match=r"layer 1 \(BatchNormAct2d\)"):
        exchanged(nn.Sequential(nn.Conv2d(3, 8, 3), layers.BatchNormAct2d(8)), "gn")
