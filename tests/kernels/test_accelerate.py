"""Accelerated networks: the plain network's outputs, gradients and statistics, whatever layers and changes it has."""

import pickle
from collections.abc import Callable
from copy import deepcopy

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from normbench.kernels import accelerate
from normbench.models.dropout import Dropout, dropouts_of, seed_dropouts
from normbench.models.registry import MODELS
from normbench.models.task import CIFAR10
from normbench.norms import NORM_REGISTRY, NORMS
from tests.kernel_ops import needs_compiler, norm_layer, random_images
from tests.network_steps import autocast, compare
from tests.oracles import randomize

LAST = torch.channels_last


class Plain(nn.Module):
    """Convs, norms and pools one after the other, of other widths and depths than the reference network."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 16, 3, padding=1, bias=False),
            nn.BatchNorm2d(16),
            nn.ReLU(inplace=True),
            nn.Conv2d(16, 16, 3, padding="same"),
            nn.GroupNorm(2, 16),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 1),
            nn.InstanceNorm2d(32, affine=True),
        )
        self.classifier = nn.Linear(32, 7)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.features(x))
        return self.classifier(F.adaptive_avg_pool2d(x, 1).flatten(1))


class Block(nn.Module):
    """A pre-activation residual block, whose sum is its output."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.norm1, self.conv1 = nn.BatchNorm2d(inputs), nn.Conv2d(inputs, outputs, 3, padding=1)
        self.norm2, self.conv2 = (
            norm_layer("gbn", outputs, (8, 8), ghost_size=2),
            nn.Conv2d(outputs, outputs, 3, padding=1),
        )
        self.shortcut = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        out = self.conv1(self.relu(self.norm1(x)))
        out = self.conv2(self.relu(self.norm2(out)))
        out += self.shortcut(x)
        return out


class Residual(nn.Module):
    """Pre-activation blocks, one of them without a conv in its shortcut; the stem keeps 16 channels."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, padding=1)
        self.blocks = nn.Sequential(Block(16, 16), nn.MaxPool2d(2), Block(16, 32), Block(32, 32))
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(32, 5, 1), nn.Flatten())

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(self.stem(x)))


class Scaled(nn.Module):
    """A layer that no table knows; it behaves otherwise in training, and counts its calls."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.full((channels, 1, 1), 1.5))
        self.register_buffer("calls", torch.tensor(0))

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return x * self.scale if self.training else x


class Unknown(nn.Module):
    """Unknown layers between known ones, a value with three readers, arithmetic in `forward`, a layer used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), Scaled(16))
        self.narrow, self.wide = nn.Conv2d(16, 16, 1), nn.Conv2d(16, 16, 3, padding=1)
        self.strided = nn.Conv2d(16, 24, 3, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(16)
        self.last = nn.Sequential(nn.BatchNorm2d(24), nn.LeakyReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten())
        self.shift = nn.Parameter(torch.tensor(0.25))

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        y = self.norm(self.narrow(x)) + self.norm(self.wide(x))
        return self.last(self.strided(torch.relu(y) - self.shift * x))


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "plain": Plain,
    "residual": Residual,
    "unknown": Unknown,
    "reference": lambda: MODELS["reference"](NORMS["gn"](), CIFAR10),
}


def made(name: str) -> nn.Module:
    torch.manual_seed(0)
    network = NETWORKS[name]().to(memory_format=LAST)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d | nn.GroupNorm):
            randomize(module)
    return network.train()


def fused_ops(called: nn.Module, images: Tensor) -> int:
    """The number of graphs of ops in the graph of autograd."""
    with autocast("bf16"):
        pending = [called(images).grad_fn]
    seen, found = set(), 0
    while pending:
        node = pending.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        found += "_Fused" in type(node).__name__
        pending += [parent for parent, _ in node.next_functions]
    return found


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("name", NETWORKS)
def test_outputs_gradients_and_statistics_are_those_of_the_plain_network(name: str, precision: str) -> None:
    compare(made(name), random_images(6, 3, *((32, 32) if name == "reference" else (16, 16))), precision)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("kind", NORMS)
def test_the_reference_network_learns_the_same_with_every_norm(kind: str, precision: str) -> None:
    torch.manual_seed(0)
    norm, conv = NORM_REGISTRY[kind](ws=kind == "gn")
    compare(
        MODELS["reference"](norm, CIFAR10, conv).to(memory_format=LAST).train(), random_images(8, 3, 32, 32), precision
    )


@needs_compiler
@pytest.mark.parametrize(("name", "number"), [("plain", 1), ("residual", 1), ("unknown", 3), ("reference", 1)])
def test_runs_of_known_layers_are_graphs_of_ops(name: str, number: int) -> None:
    network, images = made(name), random_images(6, 3, *((32, 32) if name == "reference" else (16, 16)))
    assert fused_ops(accelerate(network), images) == number
    assert fused_ops(network, images) == 0


@needs_compiler
@pytest.mark.parametrize("kind", ["gn", "ln-c", "ln-chw", "frn", "evo-s0"])
def test_relu_and_dropout_are_the_epilogue_of_the_norm(kind: str) -> None:
    own = kind in ("frn", "evo-s0")
    layers = [norm_layer(kind), nn.Identity() if own else nn.ReLU(), Dropout(0.5)]
    randomize(layers[0])
    network, x = nn.Sequential(*layers).train(), random_images(5, 16, 7, 3)
    seed_dropouts(dropouts_of(network), 0)
    found, plain = accelerate(network)(x), layers[1](layers[0](x))
    kept = found != 0
    torch.testing.assert_close(found, kept * plain * 2, rtol=1e-4, atol=1e-5)
    assert 0.4 < kept[plain != 0].float().mean() < 0.6
    seed_dropouts(dropouts_of(network), 0)
    assert torch.equal(accelerate(network)(x), found)


@needs_compiler
@pytest.mark.parametrize(
    "name", ["", *(f"layers{child}" for child in ("", ".stem", ".block1", ".block1.main", ".stem.0", ".stem.2"))]
)
@pytest.mark.parametrize("kind", ["forward", "forward_pre", "full_backward", "full_backward_pre"])
def test_hooks_are_called_wherever_they_are(name: str, kind: str) -> None:
    """Also if they come after the network was accelerated; the layer is taken out of its graph."""
    network, images = made("reference"), random_images(4, 3, 32, 32).requires_grad_("backward" in kind)
    for module in network.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = False  # which PyTorch refuses under a full backward hook
    called = accelerate(network)
    with autocast("bf16"):
        expected = called(images)
        heard: list[int] = []
        register = getattr(network.get_submodule(name), f"register_{kind}_hook")
        handle = register(lambda *_: heard.append(1))
        found = called(images)
        found.float().sum().backward()
        assert len(heard) == 1
        assert (found - expected).abs().max() <= 0.05 * expected.abs().max()
        handle.remove()
        called(images)
    assert len(heard) == 1


@needs_compiler
def test_a_dropout_in_eval_mode_drops_nothing() -> None:
    """The layer alone changes its mode, after the network was planned with it in training mode."""
    network = nn.Sequential(nn.GroupNorm(4, 16), nn.ReLU(), Dropout(0.5)).train()
    called, x = accelerate(network), random_images(4, 16, 6, 6)
    assert not torch.allclose(called(x), network[:2](x), atol=1e-4)
    network[2].eval()
    torch.testing.assert_close(called(x), network[:2](x), rtol=1e-4, atol=1e-5)


class Shared(nn.Module):
    """A value with two readers, one of which changes it in place."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.none, self.relu = nn.GroupNorm(4, 16), nn.Identity(), nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(x)
        z = self.relu(self.none(y))
        return y + z


class Summed(Shared):
    """A value with two readers, one of which adds to it in place."""

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(x)
        z = self.none(y)
        z += x
        return y + z


@needs_compiler
@pytest.mark.parametrize("kind", [Shared, Summed])
def test_a_change_in_place_is_seen_by_the_other_readers(kind: type[Shared]) -> None:
    network, x = kind(), random_images(4, 16, 6, 6)
    torch.testing.assert_close(accelerate(network)(x), network(x), rtol=1e-4, atol=1e-5)


@needs_compiler
@pytest.mark.parametrize("kind", ["forward", "forward_pre", "full_backward", "full_backward_pre"])
def test_a_global_hook_is_called_for_every_module(kind: str) -> None:
    network, images = made("plain"), random_images(4, 3, 16, 12).requires_grad_("backward" in kind)
    network.features[2].inplace = False  # which PyTorch refuses under a full backward hook
    called, heard = accelerate(network), []
    called(images)
    register = getattr(nn.modules.module, f"register_module_{kind}_hook")
    handle = register(lambda module, *_: heard.append(module))
    try:
        called(images).sum().backward()
    finally:
        handle.remove()
    assert set(network.modules()) <= set(heard)


@needs_compiler
@pytest.mark.parametrize(
    "change",
    [
        lambda network: network.eval(),
        lambda network: network.features[1].eval(),
        lambda network: setattr(network.features[1], "eps", 0.5),
        lambda network: setattr(network.features[1], "momentum", 0.7),
        lambda network: setattr(network.features[1], "momentum", None),
        lambda network: setattr(network.features[1], "momentum", torch.tensor(0.7)),
        lambda network: setattr(network.features[4], "num_groups", 8),
        lambda network: network.features.__setitem__(4, nn.GroupNorm(8, 16)),
        lambda network: network.features.__setitem__(6, nn.AvgPool2d(2)),
        lambda network: setattr(network.features[4], "weight", nn.Parameter(torch.full((16,), 3.0))),
        lambda network: setattr(network.features[4], "forward", lambda x: 2 * x),
        lambda network: setattr(network.features[0], "padding", (0, 0)),
    ],
    ids=[
        *("eval", "a layer's eval", "eps", "momentum", "cumulative average", "momentum that is a tensor", "groups"),
        *("another norm", "another pool", "another parameter", "another forward", "padding"),
    ],
)
def test_changes_of_the_network_are_followed(change: Callable[[nn.Module], None]) -> None:
    network, images = made("plain"), random_images(4, 3, 16, 12)
    called = accelerate(network)
    called(images)
    change(network)
    twin = deepcopy(network)
    found, expected = called(images), twin(images)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)
    for one, other in zip(network.buffers(), twin.buffers(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


class Branching(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(16)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x) if x.sum() > 0 else x


class Drawing(Branching):
    """Stochastic depth: a random number decides whether the layer is left out."""

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x) if torch.rand(()) < 0.5 else x


class Counting(Branching):
    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return self.norm(x) if self.calls % 2 else x


class TwoInputs(Branching):
    def forward(self, x: Tensor, other: Tensor | None = None) -> Tensor:
        return self.norm(x if other is None else x + other)


@needs_compiler
@pytest.mark.parametrize("kind", [Branching, Drawing, Counting, TwoInputs])
def test_a_network_that_cannot_be_traced_is_computed_as_it_is(kind: type[Branching]) -> None:
    network = kind()
    twin, images = deepcopy(network), random_images(4, 16, 6, 6)
    called = accelerate(network)
    for step in range(12):
        x = images if step % 3 else -images
        torch.manual_seed(step)
        found = called(x)
        torch.manual_seed(step)
        assert torch.equal(found, twin(x))
    assert all(torch.equal(one, other) for one, other in zip(network.buffers(), twin.buffers(), strict=True))


class Attached(nn.Module):
    """A norm of a user, which has layers inside and state of its own."""

    is_norm = True

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.GroupNorm(2, 16)
        self.register_buffer("steps", torch.tensor(0))
        self.num_calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.steps += 1
        self.num_calls += 1
        return self.inner(x) if self.num_calls % 2 else 2 * self.inner(x)


@needs_compiler
def test_a_norm_that_is_not_known_is_called_as_a_whole() -> None:
    network = nn.Sequential(nn.GroupNorm(4, 16), Attached(), nn.ReLU(), nn.MaxPool2d(2)).train()
    twin, images = deepcopy(network), random_images(4, 16, 6, 6)
    called = accelerate(network)
    for _ in range(12):
        torch.testing.assert_close(called(images), twin(images), rtol=1e-4, atol=1e-5)
    assert network[1].num_calls == network[1].steps == 12


@needs_compiler
def test_planning_has_no_side_effects_and_is_done_once() -> None:
    """The first call moves running statistics as the second does, and neither asks PyTorch for more."""
    network, images = nn.Sequential(nn.BatchNorm2d(16), nn.ReLU(), norm_layer("brn", 16)), random_images(4, 16, 7, 3)
    twin = deepcopy(network)
    called, numbers = accelerate(network), []
    for _ in range(2):
        with torch.autograd.profiler.profile(use_kineto=False) as profile:  # in a TorchDispatchMode, no kernel runs
            called(images)
        numbers.append(sum(event.name.startswith("aten::") for event in profile.function_events))
        twin(images)
        for one, other in zip(network.buffers(), twin.buffers(), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)
    assert numbers[1] <= numbers[0]
    assert numbers[1] < 20


def test_the_plain_network_keeps_its_state_dict_and_copies_are_accelerated_anew() -> None:
    network, images = made("plain"), random_images(4, 3, 16, 12)
    called = accelerate(network)
    assert accelerate(called) is called
    expected = called(images)
    for copy in (deepcopy(called), pickle.loads(pickle.dumps(called))):  # noqa: S301  (made two lines above)
        names = [name.removeprefix("model.") for name in copy.state_dict()]
        assert names == list(network.state_dict())
        assert torch.equal(copy(images), expected)
        copy.eval()
        assert not copy.model.training and network.training


@pytest.mark.parametrize("layout", [LAST, torch.contiguous_format])
def test_inputs_of_other_layouts_and_types_are_computed_by_pytorch(layout: torch.memory_format) -> None:
    network = made("plain").double()
    images = random_images(4, 3, 16, 12).double().contiguous(memory_format=layout)
    assert torch.equal(accelerate(network)(images), deepcopy(network)(images))
    meta = made("plain").to("meta")
    assert accelerate(meta)(images.float().to("meta")).shape == (4, 7)


@needs_compiler
def test_float32_images_under_autocast_are_cast_for_a_conv() -> None:
    """As by autocast: a layer that returns float32 in front of a conv."""
    network = nn.Sequential(Scaled(16), nn.Conv2d(16, 16, 3, padding=1), nn.GroupNorm(4, 16), nn.ReLU())
    network.to(memory_format=LAST)
    x = random_images(3, 16, 8, 8)
    with autocast("bf16"):
        found, expected = accelerate(network)(x), network(x)
        assert found.dtype == expected.dtype == torch.bfloat16
        assert fused_ops(accelerate(network), x) == 1
    torch.testing.assert_close(found, expected, rtol=0.05, atol=0.05)
