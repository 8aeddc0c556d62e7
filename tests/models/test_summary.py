"""What the summary says beyond torchsummary's table, against numbers worked by hand."""

import json
import re
import warnings

import pytest
import torch
from torch import Tensor, nn

from normbench.models.registry import MODELS
from normbench.models.summary import Layer, Summary, count_macs, count_norms, summarize
from normbench.models.task import CIFAR10
from normbench.models.trace import trace
from normbench.norms import NORMS


@pytest.fixture(scope="module")
def summary() -> Summary:
    return summarize(MODELS["reference"](NORMS["gn"](), CIFAR10), CIFAR10.image_shape, 49_999)


def row(summary: Summary, name: str) -> Layer:
    return next(layer for layer in summary.layers if layer.name == name)


def test_macs_by_hand(summary: Summary) -> None:
    assert row(summary, "Conv2d-1").macs == 16 * 32 * 32 * (3 * 3 * 3)
    assert row(summary, "Conv2d-5").macs == 32 * 32 * 32 * (16 * 3 * 3)
    assert row(summary, "Conv2d-20").macs == 32 * 16 * 16 * 16
    assert row(summary, "Conv2d-40").macs == 10 * 32
    assert row(summary, "GroupNorm-2").macs == row(summary, "MaxPool2d-10").macs == 0
    # stem, block 1 with its shortcut, the 1x1 between, block 2, head
    assert summary.macs == 5_685_248 + 4_259_840 + 131_072 + 1_064_960 + 320


@pytest.mark.parametrize("norm", NORMS)
def test_macs_and_receptive_field_do_not_depend_on_the_norm(summary: Summary, norm: str) -> None:
    network = MODELS["reference"](NORMS[norm](), CIFAR10)
    assert count_macs(network, CIFAR10.image_shape) == summary.macs
    fields = [(layer.receptive_field, layer.jump) for layer in summarize(network, CIFAR10.image_shape).layers]
    assert fields == [(layer.receptive_field, layer.jump) for layer in summary.layers]


@pytest.mark.parametrize(
    ("name", "size", "jump"),
    [
        ("Conv2d-1", 3, 1),
        ("Dropout-8", 5, 1),
        ("Conv2d-9", 5, 1),
        ("MaxPool2d-10", 6, 2),  # 5 + 1 * 1
        ("Conv2d-11", 10, 2),  # 6 + 2 * 2
        ("Conv2d-19", 18, 2),
        ("Conv2d-20", 6, 2),  # the shortcut, from the block's input
        ("GroupNorm-21", 18, 2),  # after the sum: the longest path
        ("MaxPool2d-25", 20, 4),
        ("Conv2d-34", 44, 4),
        ("GroupNorm-36", 44, 4),
        ("AdaptiveAvgPool2d-39", None, None),
        ("Conv2d-40", None, None),
    ],
)
def test_receptive_field_by_hand(summary: Summary, name: str, size: int | None, jump: int | None) -> None:
    layer = row(summary, name)
    assert (layer.receptive_field, layer.jump) == (size, jump)


def test_receptive_field_is_what_a_gradient_reaches() -> None:
    """The pixels that one position of block 1's output depends on, counted with gradients and no norm."""
    network = MODELS["reference"](NORMS["none"](), CIFAR10).double().eval()
    layers = network.get_submodule("layers")
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():  # positive weights and pixels: no relu cuts a path; noise: no position always wins a pool
        for parameter in layers.parameters():
            parameter.copy_(torch.rand(parameter.shape, generator=generator) + 0.01)
    reached = torch.zeros(32, dtype=torch.bool)
    for _ in range(4):
        images = torch.rand(1, 3, 32, 32, generator=generator, dtype=torch.float64, requires_grad=True)
        out = layers.block1(layers.shrink1(layers.stem(images)))
        out[0, :, 8, 8].sum().backward()
        reached |= (images.grad != 0).any(dim=(0, 1, 2)).flatten()
    assert int(reached.sum()) == 18


class Awkward(nn.Module):
    """Dilation, stride, a grouped conv, concatenation, a linear layer, a block that is no Sequential, flattening."""

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.wide = nn.Conv2d(2, 2, 3, padding=2, dilation=2, groups=2)
            self.pool = nn.AvgPool2d(3, stride=1, padding=1)

        def forward(self, x: Tensor) -> Tensor:
            return torch.cat([self.pool(x), self.wide(x)], dim=1)

    def __init__(self) -> None:
        super().__init__()
        self.stride = nn.Conv2d(3, 2, (5, 5), stride=2, padding=2)
        self.block = self.Block()
        self.linear = nn.Linear(4 * 4 * 4, 7)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.block(self.stride(x)).flatten(1))


def test_other_wirings() -> None:
    found = [(layer.macs, layer.receptive_field, layer.jump) for layer in trace(Awkward(), (3, 8, 8))]
    assert found == [
        (2 * 4 * 4 * 75, 5, 2),
        (0, 9, 2),  # the pool: 5 + 2 * 2
        (2 * 4 * 4 * 9, 13, 2),  # dilated: 5 + 2 * 2 * 2
        (0, 13, 2),  # the block, after the concatenation
        (7 * 64, None, None),
    ]
    assert [layer.name for layer in summarize(Awkward(), (3, 8, 8)).layers] == [
        "Conv2d-1", "AvgPool2d-2", "Conv2d-3", "Block-4", "Linear-5",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("norm", "layers", "num_parameters", "num_buffers"),
    [
        ("bn", {"BatchNorm2d": 8}, 416, 424),  # running mean and variance of 208 channels, 8 counters
        ("gn", {"GroupNorm": 8}, 416, 0),
        ("ln", {"GroupNorm": 8}, 416, 0),
        ("ln-chw", {"LayerNorm": 8}, 149_504, 0),
        ("in", {"InstanceNorm2d": 8}, 416, 0),
        ("none", {}, 0, 0),
    ],
)
def test_norm_layers(norm: str, layers: dict[str, int], num_parameters: int, num_buffers: int) -> None:
    network = MODELS["reference"](NORMS[norm](), CIFAR10)
    expected = {"norm_layers": layers, "norm_parameters": num_parameters, "norm_buffers": num_buffers}
    assert count_norms(network) == expected
    assert expected.items() <= summarize(network, CIFAR10.image_shape).as_dict().items()


@pytest.mark.parametrize("mode", [True, False])
def test_leaves_the_model_and_the_random_state_alone(mode: bool) -> None:
    network = MODELS["reference"](NORMS["bn"](), CIFAR10, dropout=0.1).train(mode)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    state = torch.get_rng_state()
    summarize(network, CIFAR10.image_shape)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(module.training is mode for module in network.modules())
    assert not any(module._forward_hooks for module in network.modules())


def test_prints_nothing_and_warns_of_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        summarize(MODELS["reference"](NORMS["ln-chw"](), CIFAR10), CIFAR10.image_shape)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("norm", NORMS)
def test_rows_add_up(norm: str) -> None:
    found = summarize(MODELS["reference"](NORMS[norm](), CIFAR10), CIFAR10.image_shape)
    assert len(found.layers) == 40
    assert sum(layer.num_parameters for layer in found.layers) == found.num_parameters
    assert re.search(f"(Total params: |there are\\s){found.num_parameters:,}", found.table)


def test_budget_line() -> None:
    network = MODELS["reference"](NORMS["gn"](), CIFAR10)
    assert summarize(network, CIFAR10.image_shape, 49_999).budget_line == (
        "budget: 40,394 of 49,999 parameters, within budget, 9,605 left"
    )
    over = summarize(network, CIFAR10.image_shape, 40_000)
    assert over.budget_line == "budget: 40,394 of 40,000 parameters, OVER BUDGET by 394" and not over.fits_budget
    free = summarize(network, CIFAR10.image_shape)
    assert free.budget_line == "budget: 40,394 parameters, no limit set" and free.fits_budget


def test_as_dict_is_json(summary: Summary) -> None:
    content = json.loads(json.dumps(summary.as_dict(), allow_nan=False))
    assert content == summary.as_dict()
    assert content["layers"][1] == {
        "name": "GroupNorm-2",
        "kind": "GroupNorm",
        "output_shape": [16, 32, 32],
        "num_parameters": 32,
        "macs": 0,
        "receptive_field": 3,
        "jump": 1,
    }
    assert content["layers"][-1]["receptive_field"] == "global" and content["layers"][-1]["jump"] is None
    assert content["fits_budget"] is True and content["max_parameters"] == 49_999


def test_layers_by_path_need_no_torchsummary() -> None:
    class ByKeyword(nn.Module):
        def forward(self, *, image: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"x": image}

    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner, self.conv = ByKeyword(), nn.Conv2d(3, 4, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            found: torch.Tensor = self.conv(self.inner(image=x)["x"]).mean((2, 3))
            return found

    found = summarize(Odd(), (3, 8, 8), by_path=True)
    assert [(it.name, it.kind, it.output_shape) for it in found.layers] == [
        ("inner", "ByKeyword", ()),
        ("conv", "Conv2d", (4, 6, 6)),
    ]
    assert found.table == ""
