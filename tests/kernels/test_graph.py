"""Kernels in one call: what they compute one by one, bit for bit, forward and backward, at any number of threads."""

from collections.abc import Iterator, Sequence
from copy import deepcopy
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from normbench.kernels import Branches, Images, Kernel, Row, images_of, run
from normbench.models import MODELS
from normbench.models.dropout import Dropout
from normbench.models.merged import Merged
from normbench.models.pool import AdaptiveAvgPool2d, MaxPool2d
from normbench.norms import NORMS, Conv2d
from normbench.norms.compiled import Compiled, CompiledNorm
from tests.kernels.test_conv import HAS_KERNELS
from tests.kernels.test_norm import LAYERS, TOLERANCE, make_layer, needs_compiler, random_images
from tests.norms.test_formulas import randomize

Layers = Sequence[tuple[Compiled, dict[str, Any]]]  # with what follows each

pytestmark = needs_compiler
needs_convs = pytest.mark.skipif(not HAS_KERNELS, reason="needs a CPU with AVX-512 BF16 and a C++ compiler")


@pytest.fixture(autouse=True)
def as_many_threads_as_before() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def pooled(norm: str) -> Layers:
    """6x10 pixels, 16 channels."""
    # Batch renorm looks at its input's numbers: it can only be the first.
    norms = [make_layer(norm, 16, (6, 10)), make_layer("bn" if norm == "brn" else norm, 16, (3, 5))]
    for layer in norms:
        randomize(layer)
    first, second = ((layer, {} if layer.has_activation else {"relu": True}) for layer in norms)
    return [(first[0], first[1] | {"drop": 9000}), (MaxPool2d(), {}), second, (AdaptiveAvgPool2d(), {})]


def convolved(norm: str) -> Layers:
    first, pool, second, mean = pooled(norm)
    wide, narrow = Conv2d(16, 32, 3, padding=1), Conv2d(32, 16, 1)
    return [first, (wide, {}), (narrow, {}), pool, second, (Conv2d(16, 16, 3, padding=1), {}), mean]


def kernels_of(layers: Layers, images: Images) -> list[Kernel]:
    kernels = []
    with torch.autocast("cpu", dtype=torch.bfloat16):
        for seed, (layer, behind) in enumerate(layers):
            kernel = layer.kernel(images, **behind)
            assert kernel is not None
            kernels.append(kernel._replace(seed=partial(int, seed)))
            images = kernel.plan.y
    return kernels


def outcome(layers: Layers, x: Tensor, *, at_once: bool) -> list[Tensor]:
    """The output, all gradients, and what the layers have stored."""
    layers = deepcopy(layers)
    x = x.detach().requires_grad_()
    images = images_of(x)
    assert images is not None
    kernels = kernels_of(layers, images)
    if at_once:
        y = run(x, *kernels)
    else:
        y = x
        for kernel in kernels:
            y = run(y, kernel)
    parameters = [parameter for layer, _ in layers for parameter in layer.parameters()]
    gradients = torch.autograd.grad(y, [x, *parameters], random_images(*y.shape, dtype=y.dtype, seed=4) - 3)
    return [y.detach(), *gradients, *(buffer for layer, _ in layers for buffer in layer.buffers())]


@pytest.mark.parametrize("num_images", [1, 3, 21])
@pytest.mark.parametrize("norm", LAYERS)
@pytest.mark.parametrize(
    ("made", "dtype"),
    [(pooled, torch.float32), (pooled, torch.bfloat16), pytest.param(convolved, torch.bfloat16, marks=needs_convs)],
)
def test_at_once_is_one_by_one(made: Any, dtype: torch.dtype, norm: str, num_images: int) -> None:
    torch.manual_seed(0)
    layers, x = made(norm), random_images(num_images, 16, 6, 10, dtype=dtype)
    torch.set_num_threads(1)
    expected = outcome(layers, x, at_once=False)
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        found = outcome(layers, x, at_once=True)
        assert all(torch.equal(one, same) for one, same in zip(found, expected, strict=True))


@pytest.mark.parametrize("norm", LAYERS)
def test_nothing_is_kept_where_no_gradient_is_wanted_and_the_output_is_the_same(norm: str) -> None:
    layers, x = pooled(norm), random_images(5, 16, 6, 10)
    expected, *_ = outcome(layers, x, at_once=True)
    images = images_of(x)
    assert images is not None
    with torch.no_grad():
        found = run(x, *kernels_of(layers, images))
    assert torch.equal(found, expected)
    assert found.grad_fn is None


def test_gradients_come_where_they_are_wanted() -> None:
    layers, x = pooled("gn"), random_images(5, 16, 6, 10)
    expected = outcome(layers, x, at_once=True)
    norm = layers[2][0]
    for layer, _ in layers:
        layer.requires_grad_(layer is norm)
    images = images_of(x)
    assert images is not None
    y = run(x, *kernels_of(layers, images))
    y.backward(random_images(*y.shape, seed=4) - 3)
    assert x.grad is None
    for found, wanted in zip((norm.weight.grad, norm.bias.grad), expected[4:6], strict=True):
        assert isinstance(found, Tensor)
        assert torch.equal(found, wanted)


def test_more_kernels_than_one_call_takes() -> None:
    layers = [(make_layer("gn", 16, (6, 10)), {"relu": True}) for _ in range(40)]
    x = random_images(3, 16, 6, 10)
    found, expected = (outcome(layers, x, at_once=at_once) for at_once in (True, False))
    assert all(torch.equal(one, same) for one, same in zip(found, expected, strict=True))


@pytest.mark.parametrize("norm", LAYERS)
def test_layers_in_a_row_are_the_layers_one_by_one(norm: str) -> None:
    """Merged against a plain Sequential of the same layers, of which some have no kernel."""
    (first, _), pool, (second, _), mean = pooled(norm)
    act = nn.Identity if first.has_activation else nn.ReLU
    layers = [first, act(), Dropout(0.0), nn.Hardtanh(), pool[0], second, act(), Dropout(0.0), mean[0]]
    x = random_images(5, 16, 6, 10)
    seen = []
    for container in (Merged, nn.Sequential):
        network = deepcopy(container(*layers)).train()
        images = x.clone(memory_format=torch.preserve_format).requires_grad_()
        y = network(images)
        y.square().sum().backward()
        seen.append([y, images.grad, *(p.grad for p in network.parameters()), *network.buffers()])
    for merged, plain in zip(*seen, strict=True):
        assert (merged - plain).abs().max() <= 20 * TOLERANCE[torch.float32] * plain.abs().max()


def test_memory_of_a_chain_is_not_read_after_it_was_changed() -> None:
    """Autograd's own safeguard: parameters that moved between the two passes are an error, not another gradient."""
    layers, x = pooled("gn"), random_images(5, 16, 6, 10)
    images = images_of(x)
    assert images is not None
    y = run(x, *kernels_of(layers, images))
    with torch.no_grad():
        next(layers[0][0].parameters()).add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def branched(norm: str, size: tuple[int, int] = (6, 10)) -> list[CompiledNorm]:
    layers = [make_layer(norm, 16, size) for _ in range(5)]
    for layer in layers:
        randomize(layer)
    return layers


def one_by_one(row: Row, x: Tensor) -> Tensor:
    for item in row:
        x = one_by_one(item.first, x) + one_by_one(item.second, x) if isinstance(item, Branches) else run(x, item)
    return x


@pytest.mark.parametrize("place", ["first", "in between", "last", "alone"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("norm", [norm for norm in LAYERS if norm != "brn"])
def test_branches_are_added_up_and_so_are_the_gradients_of_what_they_take(
    norm: str, dtype: torch.dtype, place: str
) -> None:
    """Bit by bit what PyTorch's own sums make of it, with gradients and without."""
    torch.manual_seed(0)
    layers = branched(norm)
    found = []
    for threads, at_once in ((1, False), (1, True), (3, True)):
        torch.set_num_threads(threads)
        x = random_images(21, 16, 6, 10, dtype=dtype).requires_grad_()
        images = images_of(x)
        assert images is not None
        kernels = kernels_of([(layer, {}) for layer in deepcopy(layers)], images)
        branches = Branches(kernels[1:3], kernels[3:4])
        row: Row = {
            "first": [branches, kernels[4]],
            "in between": [kernels[0], branches, kernels[4]],
            "last": [kernels[0], branches],
            "alone": [branches],
        }[place]
        y = run(x, *row) if at_once else one_by_one(row, x)
        inputs = [
            x,
            *{id(p): p for kernel in kernels for p in kernel.parameters if p.is_leaf and p.requires_grad}.values(),
        ]
        gradients = torch.autograd.grad(y, inputs, random_images(*y.shape, dtype=dtype, seed=4) - 3, allow_unused=True)
        found.append([y.detach(), *gradients])
        with torch.no_grad():
            assert torch.equal(run(x, *row) if at_once else y, y)
    for other in found[1:]:
        for one, same in zip(found[0], other, strict=True):
            assert one is same is None or (one is not None and same is not None and torch.equal(one, same))


@needs_convs
def test_branches_of_convs_within_branches() -> None:
    """What three rows take gets the sum of three gradients, which rounds in another order."""
    torch.manual_seed(0)
    layers = [Conv2d(16, 16, 3, padding=1), make_layer("bn", 16, (6, 10)), Conv2d(16, 16, 1), Conv2d(16, 16, 1)]
    seen = []
    for at_once in (True, False):
        x = random_images(5, 16, 6, 10, dtype=torch.bfloat16).requires_grad_()
        images = images_of(x)
        assert images is not None
        first, norm, second, third = kernels_of([(layer, {}) for layer in layers], images)
        row = [norm, Branches([first, norm], [Branches([second], [third])]), norm]
        y = run(x, *row) if at_once else one_by_one(row, x)
        parameters = [parameter for layer in layers for parameter in layer.parameters()]
        seen.append([y, *torch.autograd.grad(y, [x, *parameters], random_images(*y.shape, dtype=y.dtype, seed=4) - 3)])
    for one, other in zip(*seen, strict=True):
        assert (one - other).abs().max() <= 3 * TOLERANCE[torch.bfloat16] * other.abs().max()


@needs_convs
@pytest.mark.parametrize("norm", ["bn", "gn", "brn"])
def test_the_network_with_somebody_listening_somewhere_is_the_same(norm: str) -> None:
    """A hook takes its layer out of the chain, wherever it is."""
    torch.manual_seed(0)
    network = MODELS["reference"](NORMS[norm](), 10).to(memory_format=torch.channels_last).train()
    images = random_images(4, 3, 32, 32)
    seen = []
    names = ["", "layers", "layers.stem", "layers.block1", "layers.block1.main", "layers.block1.shortcut"]
    for name in [*names, "layers.block2.after.0", "layers.block2.main.2", "layers.shrink2.0", "layers.head.0"]:
        member = deepcopy(network)
        heard: list[int] = []
        if name:
            member.get_submodule(name).register_forward_hook(lambda *_, heard=heard: heard.append(1))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = member(images)
        torch.nn.functional.cross_entropy(logits.float(), torch.arange(4)).backward()
        assert len(heard) == bool(name), name
        seen.append({key: parameter.grad for key, parameter in member.named_parameters()})
    largest = max(gradient.abs().max() for gradient in seen[0].values())
    for other in seen[1:]:
        for key, gradient in seen[0].items():
            assert (gradient - other[key]).abs().max() <= 0.05 * largest, key
