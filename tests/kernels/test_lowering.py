"""Layers as ops: PyTorch's output, gradients and statistics; and what is left to PyTorch."""

from collections.abc import Callable
from copy import deepcopy

import pytest
import torch
from torch import Tensor, nn

from normbench.kernels.lowering import LOWERINGS, lower
from normbench.kernels.op import NO_EPILOGUE, Epilogue, TensorDesc, describe
from normbench.norms.weight_standardization import StandardizedConv2d
from tests.kernel_ops import (
    LOWERED,
    TOLERANCE,
    assert_near,
    described,
    needs_compiler,
    norm_layer,
    random_images,
    relu_after,
    run_layer,
)
from tests.oracles import randomize

LAST = torch.channels_last


@needs_compiler
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("kind", LOWERED)
def test_a_norm_is_that_of_pytorch(kind: str, dtype: torch.dtype) -> None:
    """Output, gradients and running statistics, in the second step."""
    first, x, d_y = (random_images(20, 16, 7, 3, dtype=dtype, seed=seed) - seed for seed in (2, 0, 3))
    seen = []
    for lowered in (True, False):
        layer = norm_layer(kind)
        randomize(layer)
        # PyTorch in float32: with bfloat16 images some of its layers sum in bfloat16.
        before, images, upstream = (part if lowered else part.float() for part in (first, x.clone(), d_y))
        call = (lambda x, layer=layer: run_layer(layer, x)) if lowered else layer
        call(before)
        y = call(images.requires_grad_())
        y.backward(upstream)
        gradients = [images.grad, *(parameter.grad for parameter in layer.parameters())]
        seen.append([y.detach(), *gradients, *layer.buffers()])
    for by_op, by_pytorch in zip(*seen, strict=True):
        assert_near(by_op, by_pytorch.double(), 2 * TOLERANCE[dtype])


@needs_compiler
@pytest.mark.parametrize("kind", ["bn", "gn", "ln"])
def test_without_affine_it_is_that_of_pytorch(kind: str) -> None:
    x = random_images(4, 16, 7, 3)
    layer = norm_layer(kind, affine=False)
    assert_near(run_layer(layer, x), layer(x).double(), 2 * TOLERANCE[torch.float32])


@needs_compiler
@pytest.mark.parametrize("kind", LOWERED)
def test_threads_change_no_bit(kind: str, threads_restored: None) -> None:
    found = []
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        layer = norm_layer(kind)
        randomize(layer)
        x = random_images(6, 16, 7, 3, dtype=torch.bfloat16).requires_grad_()
        y = run_layer(layer, x, relu_after(kind, drop=9000), seed=5)
        found.append([y, *torch.autograd.grad(y, [x, *layer.parameters()], y.detach())])
    for other in found[1:]:
        assert all(torch.equal(one, same) for one, same in zip(found[0], other, strict=True))


@pytest.mark.parametrize(
    "x",
    [
        random_images(2, 16, 4, 4).contiguous(),
        random_images(2, 16, 4, 4, dtype=torch.float64),
        random_images(0, 16, 4, 4),
        torch.randn(4, 16),
        torch.empty(2, 16, 4, 4, device="meta").contiguous(memory_format=LAST),
    ],
    ids=["NCHW", "float64", "no images", "2d", "other device"],
)
def test_tensors_that_no_op_takes_have_no_descriptor(x: Tensor) -> None:
    assert describe(x) is None


@pytest.mark.parametrize("kind", LOWERED)
def test_a_norm_whose_tensors_the_kernels_cannot_read_is_left_to_pytorch(kind: str) -> None:
    """Kernels get pointers only: they would read beyond the end of what has another size or type."""
    x = TensorDesc((2, 16, 7, 3), torch.float32)
    assert lower(norm_layer(kind), x)
    assert lower(norm_layer(kind, 32), x) is None
    assert lower(norm_layer(kind, 24), TensorDesc((2, 24, 7, 3), torch.float32)) is None
    assert lower(norm_layer(kind).bfloat16(), x) is None
    counting = norm_layer(kind)
    if "num_batches_tracked" in dict(counting.named_buffers()):
        counting.num_batches_tracked = torch.tensor(0, dtype=torch.int32)  # half of what the kernel would write
        assert lower(counting, x) is None


@pytest.mark.parametrize("kind", ["bn", "pn", "gbn", "brn"])
def test_batch_statistics_of_one_value_are_left_to_pytorch(kind: str) -> None:
    assert lower(norm_layer(kind), TensorDesc((1, 16, 1, 1), torch.float32)) is None


@needs_compiler
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("num_channels", [16, 48])
@pytest.mark.parametrize("kind", ["bn", "pn", "gbn", "brn"])
def test_a_norm_by_running_statistics_is_that_of_pytorch(kind: str, num_channels: int, dtype: torch.dtype) -> None:
    layer = norm_layer(kind, num_channels)
    randomize(layer)
    with torch.no_grad():
        for buffer in (layer.running_mean, getattr(layer, "running_std", None), getattr(layer, "running_var", None)):
            if buffer is not None:
                buffer.uniform_(0.5, 2)
    layer.eval()
    x = random_images(3, num_channels, 7, 3, dtype=dtype).requires_grad_()
    wide, exact = x.detach().double().requires_grad_(), deepcopy(layer).double()
    y, expected = run_layer(layer, x), exact(wide)
    assert_near(y, expected, TOLERANCE[dtype])
    d_y = random_images(*y.shape, dtype=dtype, seed=1)
    found = torch.autograd.grad(y, [x, *layer.parameters()], d_y)
    wanted = torch.autograd.grad(expected, [wide, *exact.parameters()], d_y.double())
    for gradient, by_formula in zip(found, wanted, strict=True):
        assert_near(gradient, by_formula, TOLERANCE[dtype])


def test_batch_norm_without_running_statistics_in_eval_mode_is_left_to_pytorch() -> None:
    layer = nn.BatchNorm2d(16, track_running_stats=False).eval()
    assert lower(layer, TensorDesc((2, 16, 7, 3), torch.float32)) is None


class Doubled(nn.BatchNorm2d):
    def forward(self, x: Tensor) -> Tensor:
        return 2 * super().forward(x)


@pytest.mark.parametrize(
    "layer",
    [
        Doubled(16),
        nn.BatchNorm2d(16, momentum=None),
        nn.InstanceNorm2d(16, track_running_stats=True),
        nn.LayerNorm(3),
        nn.MaxPool2d((2, 1)),
        nn.MaxPool2d(2, dilation=2),
        nn.MaxPool2d(16),
        nn.MaxPool2d(2, ceil_mode=True),
        nn.AvgPool2d(3, padding=1, count_include_pad=False),
        nn.AvgPool2d(2, divisor_override=3),
        nn.AdaptiveAvgPool2d(2),
        nn.Hardtanh(),
        nn.Linear(16, 10),
    ],
    ids=str,
)
def test_layers_that_compute_something_else_are_left_to_pytorch(layer: nn.Module) -> None:
    assert lower(layer, TensorDesc((2, 16, 8, 4), torch.float32)) is None


ACTIVATIONS = [
    nn.ReLU(),
    nn.ReLU6(),
    nn.LeakyReLU(0.2),
    nn.ELU(0.7),
    nn.SiLU(),
    nn.Hardswish(),
    nn.GELU(),
    nn.GELU("tanh"),
]
POOLS = [
    nn.MaxPool2d(2),
    nn.MaxPool2d(3, 2, 1),
    nn.MaxPool2d(3, 3),
    nn.MaxPool2d(2, 3),
    nn.AvgPool2d(2),
    nn.AvgPool2d(3, 2, 1),
    nn.AvgPool2d(7),
    nn.AdaptiveAvgPool2d(1),
]


@needs_compiler
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("layer", [*ACTIVATIONS, *POOLS], ids=str)
def test_activations_and_pools_are_those_of_pytorch_in_float64(layer: nn.Module, dtype: torch.dtype) -> None:
    """At any size; of equal values the first is the largest, as in PyTorch."""
    for shape in ((3, 16, 7, 7), (2, 48, 9, 8)):
        x = ((random_images(*shape) - 3) * 2).to(dtype).requires_grad_()
        y = run_layer(layer, x)
        wide = x.detach().double().requires_grad_()
        expected = layer(wide)
        assert y.shape == expected.shape
        assert_near(y, expected, TOLERANCE[dtype])
        d_y = random_images(*y.shape, dtype=y.dtype, seed=1)
        (found,), (wanted,) = torch.autograd.grad(y, x, d_y), torch.autograd.grad(expected, wide, d_y.double())
        assert_near(found, wanted, TOLERANCE[dtype])


@needs_compiler
@pytest.mark.parametrize("layer", ACTIVATIONS, ids=str)
def test_activations_far_from_zero_and_of_nan(layer: nn.Module) -> None:
    x = torch.tensor([-1e10, -200.0, -3.0, 0.0, 3.0, 6.0, 1e10, float("nan")]).repeat(2).view(1, 16, 1, 1)
    x = x.contiguous(memory_format=LAST).requires_grad_()
    y, expected = run_layer(layer, x), layer(x)
    torch.testing.assert_close(y, expected, equal_nan=True, rtol=1e-6, atol=1e-6)
    (found,), (wanted,) = (torch.autograd.grad(result.sum(), x) for result in (y, expected))
    torch.testing.assert_close(found[:, :7], wanted[:, :7], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("make", [lambda: nn.Conv2d(16, 16, 1), lambda: nn.MaxPool2d(2)], ids=["conv", "pool"])
def test_convs_and_pools_take_no_epilogue(make: Callable[[], nn.Module]) -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert lower(make(), TensorDesc((2, 16, 8, 4), torch.bfloat16), Epilogue(relu=True)) is None


def draw(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


@needs_compiler
@pytest.mark.parametrize("kind", [nn.Conv2d, StandardizedConv2d])
@pytest.mark.parametrize("layout", [LAST, torch.contiguous_format])
@pytest.mark.parametrize("case", [(3, 16, 3), (16, 32, 3), (32, 16, 1)], ids=str)
@pytest.mark.parametrize(("bias", "bf16"), [(True, True), (False, True), (True, False)])
def test_a_conv_is_that_of_pytorch_to_rounding(
    kind: type[nn.Conv2d], layout: torch.memory_format, case: tuple[int, int, int], bias: bool, bf16: bool
) -> None:
    inputs, outputs, size = case
    layer = kind(inputs, outputs, size, padding=size // 2, bias=bias).to(memory_format=layout)  # type: ignore[call-overload]
    x = draw(3, inputs, 8, 8).contiguous(memory_format=LAST)
    x = x if inputs == 3 else x.to(torch.bfloat16 if bf16 else torch.float32).requires_grad_()
    outcomes = []
    for call in (lambda x: run_layer(layer, x), layer):
        layer.zero_grad()
        x.grad = None
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
            y = call(x)
        y.float().square().mean().backward()
        outcomes.append([y.detach(), x.grad, *(parameter.grad for parameter in layer.parameters())])
    for mine, other in zip(*outcomes, strict=True):
        if mine is not None:
            assert (mine.dtype, mine.shape) == (other.dtype, other.shape)
            rtol, cancelled = (0.02, 0.01) if bf16 else (1e-5, 1e-5)
            torch.testing.assert_close(mine, other, rtol=rtol, atol=cancelled * other.abs().max().item())


@pytest.mark.parametrize(
    "options",
    [{"stride": 3}, {"stride": (1, 2)}, {"padding": 0}, {"dilation": 2}, {"groups": 2}, {"padding_mode": "circular"}],
    ids=str,
)
def test_other_convs_are_left_to_pytorch(options: dict[str, object]) -> None:
    layer = nn.Conv2d(16, 16, 3, **({"padding": 1} | options))  # type: ignore[arg-type]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert lower(layer, TensorDesc((2, 16, 8, 8), torch.bfloat16)) is None


@needs_compiler
@pytest.mark.parametrize("options", [{}, {"stride": 2, "bias": False}, {"padding": "same"}], ids=str)
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_a_depthwise_conv_is_that_of_pytorch(options: dict[str, object], precision: torch.dtype) -> None:
    layer = nn.Conv2d(32, 32, 3, **({"padding": 1, "groups": 32} | options))  # type: ignore[arg-type]
    x = random_images(2, 32, 7, 9, dtype=precision)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == torch.bfloat16):
        y, expected = run_layer(layer, x), layer(x)
    assert y.dtype == precision
    torch.testing.assert_close(y, expected, rtol=0.02, atol=TOLERANCE[precision] * expected.abs().max().item())


@pytest.mark.parametrize(
    "options",
    [{"groups": 16}, {"padding": 0}, {"stride": (1, 2)}, {"dilation": 2}, {"padding_mode": "circular"}],
    ids=str,
)
def test_other_convs_in_groups_are_left_to_pytorch(options: dict[str, object]) -> None:
    layer = nn.Conv2d(32, 32, 3, **({"padding": 1, "groups": 32} | options))  # type: ignore[arg-type]
    assert lower(layer, TensorDesc((2, 32, 8, 8), torch.float32)) is None
    assert lower(layer.bfloat16(), TensorDesc((2, 32, 8, 8), torch.bfloat16)) is None


def test_a_conv_whose_type_is_not_that_of_its_input_is_left_to_pytorch() -> None:
    """Which raises without autocast, and casts a float32 activation with it."""
    layer = nn.Conv2d(16, 32, 3, padding=1)
    single, half = (TensorDesc((2, 16, 8, 8), dtype) for dtype in (torch.float32, torch.bfloat16))
    assert lower(layer, half) is None
    for dtype, x in ((torch.float16, half), (torch.float16, single), (torch.bfloat16, single)):
        with torch.autocast("cpu", dtype=dtype):
            assert lower(layer, x) is None


@needs_compiler
def test_a_conv_of_one_pixel_is_a_matrix_product_in_float32() -> None:
    conv, x = nn.Conv2d(32, 10, 1), draw(4, 32, 1, 1).requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = run_layer(conv, x)
    wide = [tensor.detach().double().requires_grad_() for tensor in (x, conv.weight, conv.bias)]
    expected = nn.functional.conv2d(*wide)
    assert y.dtype == torch.float32
    torch.testing.assert_close(y.double(), expected, rtol=1e-6, atol=1e-6)
    d_y = draw(*y.shape)
    found = torch.autograd.grad(y, [x, conv.weight, conv.bias], d_y)
    for gradient, by_formula in zip(found, torch.autograd.grad(expected, wide, d_y.double()), strict=True):
        torch.testing.assert_close(gradient.double(), by_formula, rtol=1e-6, atol=1e-5)


@needs_compiler
def test_a_conv_of_one_pixel_with_many_weights_is_a_conv() -> None:
    conv, x = nn.Conv2d(512, 160, 1), draw(3, 512, 1, 1)
    torch.testing.assert_close(run_layer(conv, x), conv(x), rtol=1e-4, atol=1e-5)


@needs_compiler
@pytest.mark.parametrize("kind", LOWERED)
def test_every_norm_has_a_lowering(kind: str) -> None:
    assert type(norm_layer(kind)) in LOWERINGS
    assert lower(norm_layer(kind), described(random_images(2, 16, 7, 3)), NO_EPILOGUE)
