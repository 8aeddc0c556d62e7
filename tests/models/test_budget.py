"""The parameter budget and the arithmetic it shows."""

import pytest
from torch import nn

from normbench.errors import ConfigError
from normbench.models.budget import check_budget
from normbench.models.count import norm_layers
from normbench.models.registry import MODELS
from normbench.models.summary import summarize
from normbench.models.task import CIFAR10
from normbench.norms import NORMS

BUDGET = 49_999


def refusal(model: nn.Module, max_parameters: int) -> str:
    with pytest.raises(ConfigError) as caught:
        check_budget(model, max_parameters)
    return str(caught.value)


@pytest.mark.parametrize("norm", [norm for norm in NORMS if norm != "ln-chw"])
def test_every_norm_with_parameters_per_channel_fits(norm: str) -> None:
    check_budget(MODELS["reference"](NORMS[norm](), CIFAR10), BUDGET)


def test_the_limit_itself_is_allowed_and_one_more_is_not() -> None:
    model = nn.Linear(9, 10)
    check_budget(model, 100)
    assert refusal(model, 99).startswith(
        "the network has 100 trainable parameters, 1 more than budget.max_parameters allows (99)"
    )


def test_no_budget_allows_any_number() -> None:
    check_budget(MODELS["reference"](NORMS["ln-chw"](), CIFAR10), None)


def test_layer_norm_over_chw_is_refused_with_the_arithmetic() -> None:
    message = refusal(MODELS["reference"](NORMS["ln-chw"](), CIFAR10), BUDGET)
    first, *layers, way_out, lifted = message.splitlines()
    assert "189,482 trainable parameters, 139,483 more" in first and "(49,999)" in first and "149,504" in first
    assert layers == [
        "  LayerNorm-2: 2 x 16 x 32 x 32 = 32,768",
        "  LayerNorm-6: 2 x 32 x 32 x 32 = 65,536",
        "  LayerNorm-12: 2 x 16 x 16 x 16 = 8,192",
        "  LayerNorm-16: 2 x 32 x 16 x 16 = 16,384",
        "  LayerNorm-21: 2 x 32 x 16 x 16 = 16,384",
        "  LayerNorm-27: 2 x 16 x 8 x 8 = 2,048",
        "  LayerNorm-31: 2 x 32 x 8 x 8 = 4,096",
        "  LayerNorm-36: 2 x 32 x 8 x 8 = 4,096",
    ]
    assert way_out == "`affine: false` under `norm` fits: 189,482 - 149,504 = 39,978"
    assert "max_parameters: 189482" in lifted


def test_the_ways_out_it_names_are_ways_out() -> None:
    check_budget(MODELS["reference"](NORMS["ln-chw"](affine=False), CIFAR10), BUDGET)
    check_budget(MODELS["reference"](NORMS["ln-chw"](), CIFAR10), 189_482)


def test_affine_false_is_offered_only_where_it_is_enough() -> None:
    message = refusal(MODELS["reference"](NORMS["gn"](), CIFAR10), 39_977)
    assert "`affine: false` under `norm` is not enough: 39,978 parameters remain" in message
    assert "fits" not in message
    assert "affine" not in refusal(MODELS["reference"](NORMS["none"](), CIFAR10), 1_000)
    assert "affine" not in refusal(MODELS["reference"](NORMS["bn"](affine=False), CIFAR10), 1_000)


def test_frozen_parameters_cost_nothing() -> None:
    model = nn.Sequential(nn.Linear(9, 10), nn.Linear(10, 10))
    model[1].requires_grad_(False)
    check_budget(model, 100)


@pytest.mark.parametrize("model", MODELS)
def test_layers_are_called_as_in_the_layer_table(model: str) -> None:
    network = MODELS[model](NORMS["bn"](), CIFAR10)
    rows = {
        layer.name for layer in summarize(network, CIFAR10.image_shape).layers if layer.name.startswith("BatchNorm2d")
    }
    assert set(norm_layers(network)) == rows
