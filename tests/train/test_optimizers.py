"""Optimizers: every parameter in one group, decay where it belongs, Muon against its formula."""

from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import nn

from normbench.errors import ConfigError
from normbench.models.registry import MODELS
from normbench.models.task import CIFAR10
from normbench.norms import NORMS
from normbench.train.optimizers.muon import Frame
from normbench.train.optimizers.registry import OPTIMIZERS

ADAPTIVE = ("adam", "adamw", "rmsprop")


def network() -> nn.Module:
    torch.manual_seed(0)
    return MODELS["reference"](NORMS["bn"](), CIFAR10)


def one_gradient(model: nn.Module) -> None:
    images = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    nn.functional.cross_entropy(model(images), torch.arange(4)).backward()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_parameter_is_optimized_once_and_moves(name: str) -> None:
    model = network()
    before = [parameter.clone() for parameter in model.parameters()]
    optimizer = OPTIMIZERS[name](model)
    listed = [id(parameter) for group in optimizer.param_groups for parameter in group["params"]]
    assert sorted(listed) == sorted(id(parameter) for parameter in model.parameters())
    one_gradient(model)
    optimizer.step()
    for old, (key, new) in zip(before, model.named_parameters(), strict=True):
        # The bias of a conv right before batch norm has no effect, so its gradient is nothing but rounding.
        assert "bias" in key or not torch.equal(old, new), key


def decayed(optimizer: torch.optim.Optimizer) -> set[int]:
    """The parameters that decay, by their identity."""
    groups = [group for group in optimizer.param_groups if group["weight_decay"] > 0]
    return {id(parameter) for group in groups for parameter in group["params"]}


@pytest.mark.parametrize(
    ("name", "options"), [("sgd", {}), ("muon", {}), *((name, {"decay_all": False}) for name in ADAPTIVE)]
)
def test_norms_and_biases_are_not_decayed(name: str, options: dict[str, bool]) -> None:
    model = network()
    found = decayed(OPTIMIZERS[name](model, weight_decay=0.1, **options))
    assert found
    for key, parameter in model.named_parameters():
        assert parameter.ndim == 4 or id(parameter) not in found, key


@pytest.mark.parametrize(("name", "options"), [("sgd", {"decay_all": True}), *((name, {}) for name in ADAPTIVE)])
def test_all_parameters_are_decayed_where_torch_does_so(name: str, options: dict[str, bool]) -> None:
    model = network()
    found = decayed(OPTIMIZERS[name](model, weight_decay=0.1, **options))
    assert found == {id(parameter) for parameter in model.parameters()}


NOTEBOOK = [
    ("sgd", {"lr": 0.1, "momentum": 0.9, "weight_decay": 5e-4}, {"decay_all": True, "nesterov": False}),
    ("sgd", {"lr": 0.1, "momentum": 0.9, "weight_decay": 5e-4, "nesterov": True}, {"decay_all": True}),
    ("sgd", {"lr": 0.1}, {"momentum": 0.0, "weight_decay": 0.0}),
    *((name, {}, {}) for name in ADAPTIVE),
    ("adam", {"lr": 0.003, "betas": (0.8, 0.99), "eps": 1e-6, "weight_decay": 0.1, "amsgrad": True}, {}),
    ("adamw", {"lr": 0.003, "betas": (0.8, 0.99), "eps": 1e-6, "weight_decay": 0.1, "amsgrad": True}, {}),
    ("rmsprop", {"lr": 0.003, "alpha": 0.9, "eps": 1e-6, "weight_decay": 0.1, "momentum": 0.9, "centered": True}, {}),
]


@pytest.mark.parametrize(("name", "theirs", "besides"), NOTEBOOK)
def test_twenty_steps_are_those_of_torchs_optimizer(name: str, theirs: dict[str, Any], besides: dict[str, Any]) -> None:
    """`torch.optim.X(model.parameters(), ...)` of a notebook, to a hundred-thousandth of the way that a weight goes.

    PyTorch's own implementations of one optimizer differ as much.
    """
    generator = torch.Generator().manual_seed(0)
    models = [nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 2, 1)) for _ in range(2)]
    models[1].load_state_dict(models[0].state_dict())
    begun = deepcopy(models[0])
    reference = {"sgd": "SGD", "adam": "Adam", "adamw": "AdamW", "rmsprop": "RMSprop"}[name]
    ours = OPTIMIZERS[name](models[0], **theirs, **besides)
    expected = getattr(torch.optim, reference)(models[1].parameters(), foreach=False, **theirs)
    for _ in range(20):
        for pair in zip(*(model.parameters() for model in models), strict=True):
            gradient = torch.randn(pair[0].shape, generator=generator)
            for parameter in pair:
                parameter.grad = gradient.clone()
        ours.step()
        expected.step()
    for before, one, other in zip(*(model.parameters() for model in (begun, *models)), strict=True):
        assert (one - other).norm() <= 1e-5 * (other - before).norm()


@pytest.mark.parametrize("option", ["lr", "eps", "weight_decay", "betas"])
def test_an_option_out_of_its_range_is_named(option: str) -> None:
    value = (0.9, 1.0) if option == "betas" else -1.0
    with pytest.raises(ConfigError, match=rf"^train\.optimizer\.{option} must"):
        OPTIMIZERS["adamw"](network(), **{option: value})


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_state_survives_saving(name: str) -> None:
    first, second = network(), network()
    one, two = OPTIMIZERS[name](first), OPTIMIZERS[name](second)
    one_gradient(first)
    one.step()
    second.load_state_dict(first.state_dict())
    two.load_state_dict(deepcopy(one.state_dict()))  # torch shares tensors otherwise
    for model, optimizer in ((first, one), (second, two)):
        optimizer.zero_grad()
        one_gradient(model)
        optimizer.step()
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_orthogonalized_keeps_directions_and_levels_singular_values() -> None:
    shapes = [(16, 144), (144, 16), (10, 10), (32, 20)]  # wide, tall and square ones at once
    generator = torch.Generator().manual_seed(0)
    matrices = [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]
    for matrix, result in zip(matrices, Frame(matrices).orthogonalized(matrices), strict=True):
        u, _, vh = torch.linalg.svd(matrix, full_matrices=False)
        inner = u.mT @ result @ vh.mT  # diagonal: the iteration changes singular values only
        values = inner.diagonal()
        assert torch.allclose(inner, torch.diag(values), atol=1e-9)
        assert values.min() > 0.6
        assert values.max() < 1.3


def test_orthogonalized_is_the_newton_schulz_iteration() -> None:
    matrix = torch.randn(5, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    x = matrix / (matrix.norm() + 1e-7)
    for _ in range(5):
        square = x @ x.mT
        x = 3.4445 * x - 4.7750 * square @ x + 2.0315 * square @ square @ x
    assert torch.allclose(Frame([matrix]).orthogonalized([matrix])[0], x, atol=1e-12)


def test_muon_step_by_hand() -> None:
    conv = nn.Sequential(*(nn.Conv2d(*sizes, bias=False) for sizes in [(3, 4, 1), (4, 6, 3), (6, 2, 1)])).double()
    optimizer = OPTIMIZERS["muon"](conv, lr=0.5, momentum=0.6)
    weight, momentum = conv[1].weight, torch.zeros(6, 36, dtype=torch.float64)
    expected = weight.detach().flatten(1).clone()
    for number in range(3):
        gradient = torch.randn(6, 36, generator=torch.Generator().manual_seed(number), dtype=torch.float64)
        momentum = 0.6 * momentum + gradient
        direction = gradient + 0.6 * momentum
        update = Frame([direction]).orthogonalized([direction])[0]
        expected = expected * 6**0.5 / expected.norm() - 0.5 * update
        weight.grad = gradient.view_as(weight).clone()
        for outer in (conv[0], conv[2]):
            outer.weight.grad = torch.zeros_like(outer.weight)
        optimizer.step()
    assert torch.allclose(weight.detach().flatten(1), expected, atol=1e-12)
    assert [id(filters) for filters in optimizer.param_groups[0]["params"]] == [id(weight)]
