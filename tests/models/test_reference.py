"""The networks: the reference's 40 rows, and what must hold for every model with every norm."""

from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn

from normbench.errors import ConfigError
from normbench.models.count import count_parameters
from normbench.models.dropout import dropouts_of, seed_dropouts
from normbench.models.registry import MODELS, build
from normbench.models.summary import summarize
from normbench.models.task import CIFAR10, Task
from normbench.norms import NORMS

REFERENCE_TABLE = (Path(__file__).parent / "reference_rows.txt").read_text().splitlines()


def make(norm: str = "gn", model: str = "reference", seed: int = 0, **options: float) -> nn.Module:
    return build(partial(MODELS[model], NORMS[norm](), CIFAR10, **options), seed)


@pytest.mark.parametrize("dropout", [0.0, 0.02])
def test_prints_the_table_of_the_reference_line_by_line(dropout: float) -> None:
    """40 rows and the totals, as the document has them, up to the rules between them."""
    printed = summarize(make(dropout=dropout), CIFAR10.image_shape).table.splitlines()
    assert len([line for line in REFERENCE_TABLE if "[-1," in line]) == 40
    assert [line.rstrip() for line in printed] == [line.rstrip() for line in REFERENCE_TABLE]


@pytest.mark.parametrize(
    ("norm", "count"),
    [("bn", 40_394), ("gn", 40_394), ("ln", 40_394), ("in", 40_394), ("ln-chw", 189_482), ("none", 39_978)],
)
def test_number_of_parameters(norm: str, count: int) -> None:
    assert count_parameters(make(norm)) == count


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("model", MODELS)
def test_every_parameter_learns(model: str, norm: str) -> None:
    """Also that no layer in place destroys what a backward pass needs: autograd would refuse."""
    network = make(norm, model, dropout=0.1).train()
    seed_dropouts(dropouts_of(network), 0)
    images = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    logits = network(images)
    assert logits.shape == (4, 10)
    nn.functional.cross_entropy(logits, torch.arange(4)).backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
        # A conv's bias right in front of a norm that takes the mean of each channel away learns nothing.
        if "bias" not in name:
            assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize("num_classes", [2, 100])
def test_number_of_classes(num_classes: int) -> None:
    network = MODELS["reference"](NORMS["gn"](), Task(num_classes, (3, 32, 32))).eval()
    assert network(torch.zeros(1, 3, 32, 32)).shape == (1, num_classes)


def test_wiring_of_a_block_by_hand() -> None:
    """out = dropout(relu(norm(a + shortcut))), a = conv(relu(norm(conv(relu(norm(conv(x))))))), in eval mode."""
    block = make("bn").eval().get_submodule("layers.block1")
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for value in [*block.parameters(), *block.buffers()]:
            if value.is_floating_point():
                value.copy_(torch.rand(value.shape, generator=generator) + 0.1)
    x = torch.randn(2, 16, 16, 16, generator=generator)
    state = list(block.state_dict().items())
    values = iter([value for name, value in state if "num_batches" not in name])

    def conv(x: torch.Tensor, size: int) -> torch.Tensor:
        weight, bias = next(values), next(values)
        assert tuple(weight.shape[2:]) == (size, size)
        return nn.functional.conv2d(x, weight, bias, padding=size // 2)

    def norm(x: torch.Tensor) -> torch.Tensor:
        gamma, beta, mean, variance = (next(values).reshape(-1, 1, 1) for _ in range(4))
        return gamma * (x - mean) / (variance + 1e-5).sqrt() + beta

    a = conv(norm(conv(norm(conv(x, 3)).relu(), 3)).relu(), 3)
    expected = norm(a + conv(x, 1)).relu()
    assert next(values, None) is None
    torch.testing.assert_close(block(x), expected, rtol=1e-4, atol=1e-4)


def test_one_seed_gives_every_norm_the_same_weights_around_it() -> None:
    weights = {norm: convs(make(norm, seed=3)) for norm in NORMS}
    for norm, found in weights.items():
        assert all(torch.equal(a, b) for a, b in zip(found, weights["bn"], strict=True)), norm
    assert not torch.equal(convs(make("bn", seed=4))[0], weights["bn"][0])


def convs(network: nn.Module) -> list[torch.Tensor]:
    return [
        parameter for layer in network.modules() if isinstance(layer, nn.Conv2d) for parameter in layer.parameters()
    ]


def test_building_leaves_torchs_generator_alone() -> None:
    state = torch.get_rng_state()
    make("bn")
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("num_groups", [3, 5, 32])
def test_groups_that_do_not_fit_the_network(num_groups: int) -> None:
    with pytest.raises(ConfigError, match=rf"{num_groups} does not divide .*\(16, 32\); allowed: 1, 2, 4, 8, 16$"):
        MODELS["reference"](NORMS["gn"](num_groups=num_groups), CIFAR10)


def test_refuses_a_bad_dropout() -> None:
    with pytest.raises(ConfigError, match="dropout must be at least 0 and below 1"):
        make(dropout=1.0)


@pytest.mark.parametrize("shape", [(2, 3, 28, 28), (2, 1, 32, 32), (3, 32, 32)])
def test_refuses_images_of_another_shape(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"takes images \[B, 3, 32, 32\], not \["):
        make()(torch.zeros(shape))


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 64, 48), (3, 4, 7)])
@pytest.mark.parametrize("norm", ["bn", "ln-chw"])
def test_images_of_other_shapes(shape: tuple[int, int, int], norm: str) -> None:
    network = MODELS["reference"](NORMS[norm](), Task(7, shape))
    assert network(torch.zeros(2, *shape)).shape == (2, 7)


def test_images_that_two_poolings_leave_nothing_of_are_refused() -> None:
    with pytest.raises(ConfigError, match="4x4"):
        MODELS["reference"](NORMS["bn"](), Task(10, (3, 32, 3)))
