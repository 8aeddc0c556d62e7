"""The compiled kernels: against the written formula and PyTorch, in training and backwards, whatever the threads."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from normbench.kernels import Images, Kernel, Running, Sets, evo_norm, images_of, max_pool, normalize, run
from normbench.kernels.library import library
from normbench.models import MODELS
from normbench.models.dropout import Dropout
from normbench.models.merged import Merged
from normbench.norms import NORMS
from normbench.norms.compiled import CompiledNorm
from tests.norms.test_formulas import EPS as FORMULA_EPS
from tests.norms.test_formulas import FORMULAS, OPTIONS, for_formula, randomize, standardized

needs_compiler = pytest.mark.skipif(library() is None, reason="no C++ compiler is at hand")
EPS = 1e-5
TOLERANCE = {torch.float32: 2e-6, torch.bfloat16: 2**-8}
PER_IMAGE = ["ln-c", "rms", "dyt", "none", "frn", "evo-s0"]
BEFORE_RELU = ["ln-chw", *PER_IMAGE[:4]]
LAYERS = ["bn", "pn", "gbn", "gn", "ln", "in", "brn", "ln-chw", *PER_IMAGE]
LAYER_OPTIONS: dict[str, dict[str, object]] = {
    "brn": {"warmup_steps": 0, "r_steps": 1, "d_steps": 1, "momentum": 0.5},
}


def random_images(*shape: int, dtype: torch.dtype = torch.float32, seed: int = 0) -> Tensor:
    images = torch.randn(shape, generator=torch.Generator().manual_seed(seed)) * 2 + 3
    return images.to(dtype).contiguous(memory_format=torch.channels_last)


def by_kernel(
    make: Callable[..., Kernel | None], x: Tensor, *arguments: object, seed: int = 0, **options: Any
) -> Tensor:
    images = images_of(x)
    assert images is not None
    kernel = make(images, *arguments, **options)
    assert kernel is not None
    return run(x, kernel._replace(seed=lambda: seed))


def by_formula(x: Tensor, weight: Tensor, bias: Tensor, sets: Sets) -> Tensor:
    """γ (x − μ) / sqrt(σ² + eps) + β, set by set."""
    parts = []
    for images in x.split(sets.num_images):
        grouped = images.unflatten(1, (sets.num_groups, -1))  # [n, G, C / G, H, W]
        axes = (0, 2, 3, 4)
        centered = grouped - grouped.mean(axes, keepdim=True)
        parts.append((centered / (centered.square().mean(axes, keepdim=True) + EPS).sqrt()).flatten(1, 2))
    return torch.cat(parts) * weight[:, None, None] + bias[:, None, None]


def assert_near(found: Tensor, expected: Tensor, tolerance: float) -> None:
    assert (found.double() - expected).abs().max() <= tolerance * expected.abs().max()


@needs_compiler
@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize(
    ("num_channels", "sets"),
    [(16, Sets(5, 16)), (32, Sets(5, 32)), (16, Sets(1, 4)), (32, Sets(1, 1)), (32, Sets(1, 32)), (32, Sets(2, 32))],
    ids=["bn16", "bn32", "gn16", "ln32", "in32", "gbn32"],
)
def test_a_norm_is_the_formula_and_so_are_its_gradients(
    num_channels: int, sets: Sets, dtype: torch.dtype, relu: bool
) -> None:
    x = random_images(5, num_channels, 7, 3, dtype=dtype).requires_grad_()
    weight, bias = torch.randn(2, num_channels, generator=torch.Generator().manual_seed(1)).unbind()
    weight, bias = weight.clone().requires_grad_(), bias.clone().requires_grad_()
    d_y = random_images(5, num_channels, 7, 3, dtype=dtype, seed=2) - 3
    y = by_kernel(normalize, x, weight, bias, sets, EPS, relu=relu)
    y.backward(d_y)
    wide = [tensor.detach().double().requires_grad_() for tensor in (x, weight, bias)]
    expected = by_formula(*wide, sets)
    expected = expected.relu() if relu else expected
    expected.backward(d_y.double())
    assert y.dtype == dtype
    assert y.is_contiguous(memory_format=torch.channels_last)
    for found, wanted in zip((y, x.grad, weight.grad, bias.grad), (expected, *(t.grad for t in wide)), strict=True):
        assert found is not None and wanted is not None
        assert_near(found, wanted, TOLERANCE[dtype])


@needs_compiler
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("num_channels", [16, 32])
@pytest.mark.parametrize(
    ("norm", "relu"),
    [(norm, relu) for norm in ("ln-chw", *PER_IMAGE) for relu in (False, True) if not relu or norm in BEFORE_RELU],
)
def test_a_norm_of_each_image_is_the_formula_and_so_are_its_gradients(
    norm: str, num_channels: int, dtype: torch.dtype, relu: bool
) -> None:
    eps = {} if norm in ("dyt", "none") else {"eps": FORMULA_EPS}
    layer = make_layer(norm, num_channels, **eps, **OPTIONS.get(norm, {}))
    randomize(layer)
    x = random_images(5, num_channels, 7, 3, dtype=dtype).requires_grad_()
    d_y = random_images(5, num_channels, 7, 3, dtype=dtype, seed=2) - 3
    y = by_kernel(layer.kernel, x, **({"relu": True} if relu else {}))
    wide = x.detach().double().requires_grad_()
    by_hand = {name: value.detach().double().requires_grad_() for name, value in layer.named_parameters()}
    expected = (FORMULAS | {"ln-chw": ln_chw, "none": lambda x, p: x})[norm](wide, for_formula(by_hand))
    expected = expected.relu() if relu else expected
    assert y.dtype == dtype
    assert y.is_contiguous(memory_format=torch.channels_last)
    assert_near(y, expected, TOLERANCE[dtype])
    found = torch.autograd.grad(y, [x, *layer.parameters()], d_y)
    wanted = torch.autograd.grad(expected, [wide, *by_hand.values()], d_y.double())
    for gradient, gradient_by_hand in zip(found, wanted, strict=True):
        cancelled = 10 if gradient.numel() == 1 else 1  # α's: values of either sign from everywhere
        assert_near(gradient, gradient_by_hand, cancelled * TOLERANCE[dtype])


def ln_chw(x: Tensor, p: Mapping[str, Tensor]) -> Tensor:
    return p["weight"] * standardized(x, (1, 2, 3)) + p["bias"]


def make_layer(norm: str, num_channels: int = 16, size: tuple[int, int] = (7, 3), **options: object) -> CompiledNorm:
    layer = NORMS[norm](**LAYER_OPTIONS.get(norm, {}), **options)(num_channels, size).train()
    assert isinstance(layer, CompiledNorm)
    return layer


@needs_compiler
def test_tanh_and_sigmoid_are_accurate_to_a_few_units_in_the_last_place() -> None:
    """From where float32 hardly tells them from their limits to where they are as small as x."""
    x = torch.cat([torch.linspace(-100, 100, 200001), torch.logspace(-30, 0, 30001), -torch.logspace(-30, 0, 30001)])
    x = torch.cat([x, torch.zeros(-len(x) % 16)]).view(1, -1, 1, 16).permute(0, 3, 1, 2)
    tanh = make_layer("dyt", alpha=1.0)(x)
    expected = torch.tanh(x.double())
    assert ((tanh - expected).abs() <= 4 * 2**-24 * expected.abs()).all()
    swish = by_kernel(evo_norm, x, None, None, torch.ones(16), 1, 1e9) * 1e9**0.5  # over a σ that no x changes
    scale = (1 + x.double().var(correction=0) / 1e9).rsqrt()
    expected = x.double() * torch.sigmoid(x.double()) * scale
    assert ((swish - expected).abs() <= 8 * 2**-24 * expected.abs() + 1e-30).all()


@needs_compiler
def test_a_mean_far_from_zero_costs_no_digits() -> None:
    x = random_images(4, 16, 8, 8) + 1000
    y = by_kernel(normalize, x, None, None, Sets(1, 4), EPS)
    assert_near(y, by_formula(x.double(), torch.ones(16), torch.zeros(16), Sets(1, 4)), 1e-4)


@needs_compiler
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("norm", LAYERS)
def test_a_layer_is_that_of_pytorch(norm: str, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    """Output, gradients, running statistics: with the kernel and without, in the second step."""
    first, x, d_y = (random_images(20, 16, 7, 3, dtype=dtype, seed=seed) - seed for seed in (2, 0, 3))
    seen = []
    for kernels in (library(), None):
        monkeypatch.setattr("normbench.kernels.graph.library", lambda kernels=kernels: kernels)
        layer = make_layer(norm)
        randomize(layer)
        assert (images_of(x) is None) == (kernels is None)
        # PyTorch's own in float32: with bfloat16 images some of its layers sum in bfloat16.
        images, upstream = (part if kernels else part.float() for part in (x.clone(), d_y))
        layer(first.to(images.dtype))
        y = layer(images.requires_grad_())
        y.backward(upstream)
        gradients = [images.grad, *(parameter.grad for parameter in layer.parameters())]
        seen.append([y.detach(), *gradients, *layer.buffers()])
    for with_kernel, without in zip(*seen, strict=True):
        assert_near(with_kernel, without.double(), 2 * TOLERANCE[dtype])


@needs_compiler
@pytest.mark.parametrize("norm", ["gn", "bn", "brn", "ln-chw", *PER_IMAGE])
def test_threads_change_no_bit(norm: str) -> None:
    before = torch.get_num_threads()
    found = []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            layer = make_layer(norm)
            randomize(layer)
            x = random_images(6, 16, 7, 3, dtype=torch.bfloat16).requires_grad_()
            act = {} if layer.has_activation else {"relu": True}
            y = by_kernel(layer.kernel, x, **act, drop=9000, seed=5)
            found.append([y, *torch.autograd.grad(y, [x, *layer.parameters()], y.detach())])
    finally:
        torch.set_num_threads(before)
    for other in found[1:]:
        assert all(torch.equal(one, same) for one, same in zip(found[0], other, strict=True))


@needs_compiler
@pytest.mark.parametrize("num_channels", [16, 32])
@pytest.mark.parametrize("norm", PER_IMAGE)
def test_dropout_drops_the_same_backward(norm: str, num_channels: int) -> None:
    """Bit by bit the gradients without dropout of an upstream gradient that is 0 where the output was dropped."""
    layer, size = make_layer(norm, num_channels), (3, num_channels, 7, 3)
    randomize(layer)
    x, d_y = random_images(*size).requires_grad_(), random_images(*size, seed=1) - 3
    inputs = [x, *layer.parameters()]
    plain, dropped = by_kernel(layer.kernel, x), by_kernel(layer.kernel, x, drop=32768, seed=3)
    kept = dropped != 0
    assert torch.equal(dropped, kept * plain * 2)
    assert 0.4 < kept.float().mean() < 0.6
    found = torch.autograd.grad(dropped, inputs, d_y)
    wanted = torch.autograd.grad(plain, inputs, d_y * kept * 2)
    assert all(torch.equal(one, same) for one, same in zip(found, wanted, strict=True))


@needs_compiler
def test_dropout_zeroes_as_many_as_it_says_and_keeps_the_mean() -> None:
    x = random_images(64, 32, 32, 32).requires_grad_()
    plain = by_kernel(normalize, x, None, torch.full((32,), 5.0), Sets(1, 1), EPS, relu=True)
    for threshold in (1311, 32768):  # of 65,536: 2 % and half
        y = by_kernel(normalize, x, None, torch.full((32,), 5.0), Sets(1, 1), EPS, relu=True, drop=threshold, seed=7)
        p = threshold / 65536
        dropped = (y == 0) & (plain > 0)
        count = plain.count_nonzero().item()
        expected = p * count
        assert abs(dropped.sum().item() - expected) < 5 * (count * p * (1 - p)) ** 0.5
        assert torch.allclose(y[~dropped], plain[~dropped] / (1 - p), rtol=1e-5)
        # No channel, pixel or image is special, and neighbours are dropped independently.
        mask = dropped.float()
        for axes in ((0, 2, 3), (0, 1), (1, 2, 3)):
            share = mask.mean(axes)
            spread = (p * (1 - p) * share.numel() / mask.numel()) ** 0.5
            assert (share - p).abs().max() < 6 * spread, axes
        for a, b in ((mask[:, 1:], mask[:, :-1]), (mask[..., 1:], mask[..., :-1]), (mask[1:], mask[:-1])):
            assert abs((a * b).mean().item() - p * p) < 6 * (p * p / a.numel()) ** 0.5
        (gradient,) = torch.autograd.grad(y, x, torch.ones_like(y))
        assert gradient.isfinite().all()
    one, same, other = (
        by_kernel(normalize, x, None, None, Sets(1, 1), EPS, relu=True, drop=32768, seed=seed) for seed in (1, 1, 2)
    )
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


@needs_compiler
def test_dropout_lets_no_gradient_through_where_it_dropped() -> None:
    """With μ and σ of the image fixed by many other values, dL/dβ counts what came through."""
    x, bias = random_images(2, 16, 8, 8), torch.full((16,), 9.0, requires_grad=True)
    y = by_kernel(normalize, x, None, bias, Sets(1, 1), EPS, relu=True, drop=32768, seed=3)
    y.sum().backward()
    assert bias.grad is not None
    assert torch.equal(bias.grad, 2.0 * (y != 0).sum((0, 2, 3)))


@needs_compiler
def test_running_statistics_move_as_pytorchs() -> None:
    x = random_images(10, 16, 3, 3)
    mean, var, count = torch.full((16,), 0.5), torch.full((16,), 2.0), torch.tensor(3)
    expected_mean, expected_var = mean.clone(), var.clone()
    by_kernel(normalize, x, None, None, Sets(4, 16), EPS, running=Running(mean, var, 0.3, count))
    for ghost in x.split(4):  # the last has two images
        F.batch_norm(ghost, expected_mean, expected_var, training=True, momentum=0.3)
    assert count == 6
    assert torch.allclose(mean, expected_mean, rtol=1e-5)
    assert torch.allclose(var, expected_var, rtol=1e-5)


@needs_compiler
def test_nan_is_seen() -> None:
    x = random_images(2, 16, 4, 4)
    x[1, 3, 2, 2] = float("nan")
    y = by_kernel(normalize, x, None, None, Sets(1, 4), EPS, relu=True)
    assert y[1, :4].isnan().all()
    assert y[1, 4:].isfinite().all() and y[0].isfinite().all()
    assert by_kernel(max_pool, x)[1, 3, 1, 1].isnan()


@needs_compiler
@pytest.mark.parametrize("norm", ["ln-chw", *PER_IMAGE])
def test_nan_is_seen_in_its_image_alone(norm: str) -> None:
    layer, x = make_layer(norm), random_images(2, 16, 7, 3)
    x[1, 3, 2, 2] = float("nan")
    y = by_kernel(layer.kernel, x, **({} if layer.has_activation else {"relu": True}))
    assert y[1, 3, 2, 2].isnan()
    assert y[0].isfinite().all()


@pytest.mark.parametrize(
    "x",
    [
        random_images(2, 16, 4, 4).contiguous(),
        random_images(2, 24, 4, 4),
        random_images(2, 64, 4, 4),
        random_images(2, 16, 4, 4, dtype=torch.float64),
        random_images(0, 16, 4, 4),
        torch.randn(4, 16),
    ],
    ids=["NCHW", "24 channels", "64 channels", "float64", "no images", "2d"],
)
def test_what_the_kernel_cannot_do_is_left_to_pytorch(x: Tensor) -> None:
    images = images_of(x)
    assert images is None or make_layer("gn", x.shape[1]).kernel(images) is None
    if x.dim() == 4 and len(x):
        assert NORMS["gn"]()(x.shape[1], (4, 4)).to(x.dtype)(x).shape == x.shape


@pytest.mark.parametrize("norm", [norm for norm in LAYERS if norm != "none"])
def test_a_layer_made_for_something_else_is_left_to_pytorch(norm: str) -> None:
    """A kernel is told where parameters begin, not what they are: it would read beyond their end."""
    x = random_images(2, 16, 7, 3)
    images = Images(x.shape, x.dtype, x)
    assert make_layer(norm).kernel(images) or library() is None
    assert make_layer(norm, 32).kernel(images) is None
    if any(True for _ in make_layer(norm).parameters()):
        assert make_layer(norm).bfloat16().kernel(images) is None
    counting = make_layer(norm)
    if "num_batches_tracked" in dict(counting.named_buffers()):
        counting.num_batches_tracked = torch.tensor(0, dtype=torch.int32)  # half of what the kernel would write
        assert counting.kernel(images) is None


@pytest.mark.parametrize("norm", LAYERS)
def test_a_network_learns_the_same_with_and_without(norm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Float32 gradients of a training step; somebody listening to the norm layers changes nothing either."""
    images = random_images(8, 3, 32, 32)
    seen = []
    for kernels, listen in ((library(), False), (library(), True), (None, False)):
        monkeypatch.setattr("normbench.kernels.graph.library", lambda kernels=kernels: kernels)
        torch.manual_seed(0)
        network = (
            MODELS["reference"](NORMS[norm](**LAYER_OPTIONS.get(norm, {})), 10)
            .to(memory_format=torch.channels_last)
            .train()
        )
        heard: list[nn.Module] = []
        layers = [module for module in network.modules() if getattr(module, "is_norm", False)] if listen else []
        for layer in layers:
            layer.register_forward_hook(lambda layer, inputs, output, heard=heard: heard.append(layer))
        F.cross_entropy(network(images), torch.arange(8)).backward()
        assert heard == layers
        seen.append(dict(network.named_parameters()))
    for name, parameter in seen[0].items():
        largest = max(p.grad.abs().max() for p in seen[2].values() if p.grad is not None)
        for other in seen[1:]:
            assert parameter.grad is not None and other[name].grad is not None
            assert (parameter.grad - other[name].grad).abs().max() < 1e-4 * largest, name


@needs_compiler
@pytest.mark.parametrize(
    ("norm", "act", "is_merged"),
    [
        ("gn", nn.ReLU(), True),
        ("gn", nn.Identity(), False),
        ("ln-c", nn.ReLU(), True),
        ("ln-chw", nn.ReLU(), True),
        ("frn", nn.Identity(), True),
        ("evo-s0", nn.Identity(), True),
        ("frn", nn.ReLU(), False),
    ],
)
def test_layers_are_merged_only_into_what_they_compute(norm: str, act: nn.Module, is_merged: bool) -> None:
    layer, dropout, x = make_layer(norm), Dropout(0.5).train(), random_images(5, 16, 7, 3)
    randomize(layer)
    plain = act(layer(x))
    dropout.seed(0)
    one_by_one = dropout(plain)
    dropout.seed(0)
    found = Merged(layer, act, dropout)(x)
    kept = found != 0
    torch.testing.assert_close(found, kept * plain * 2)
    assert 0.4 < kept[plain != 0].float().mean() < 0.6
    assert torch.equal(found, one_by_one) == (not is_merged)  # which draw from different generators
