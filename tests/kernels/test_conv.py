"""The compiled convolution: autocast's numbers and gradients at any number of threads, and PyTorch's own without it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from normbench.kernels import convolve, images_of, linear
from normbench.kernels.build import COMPILERS
from normbench.norms import Conv2d
from normbench.norms.weight_standardization import StandardizedConv2d
from tests.kernels.test_norm import by_kernel, needs_compiler

LAST = torch.channels_last
CASES = [
    *((inputs, outputs, size) for inputs in (16, 32) for outputs in (16, 32) for size in (1, 3)),
    (3, 16, 3),  # the stem
]
SHAPES = [(1, 5, 7), (3, 5, 7), (2, 8, 8), (2, 3, 19), (19, 2, 1), (1, 1, 1), (2, 32, 32)]


def draw(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


CPU = Path("/proc/cpuinfo")
HAS_KERNELS = CPU.exists() and "avx512_bf16" in CPU.read_text() and any(map(shutil.which, COMPILERS))
needs_kernels = pytest.mark.skipif(not HAS_KERNELS, reason="needs a CPU with AVX-512 BF16 and a C++ compiler")


def arguments(case: tuple[int, int, int], shape: tuple[int, int, int]) -> tuple[Tensor, Tensor, Tensor]:
    """x, weight and bias that want gradients, where the kernel can give one."""
    inputs, outputs, size = case
    num_images, height, width = shape
    x = draw(num_images, inputs, height, width).contiguous(memory_format=LAST)
    x = x if inputs == 3 else x.bfloat16().requires_grad_()
    return x, draw(outputs, inputs, size, size).requires_grad_(), draw(outputs).requires_grad_()


def differentiate(x: Tensor, weight: Tensor, bias: Tensor) -> list[Tensor | None]:
    """y and the gradients of a loss in it."""
    y = by_kernel(convolve, x, weight, bias)
    upstream = draw(*y.shape).bfloat16().contiguous(memory_format=LAST)
    for tensor in (x, weight, bias):
        tensor.grad = None
    y.backward(upstream)
    return [y.detach(), x.grad, weight.grad, bias.grad]


def by_hand(x: Tensor, weight: Tensor, bias: Tensor) -> list[Tensor | None]:
    """The same in float64, from numbers rounded to bfloat16."""
    rounded = [x.detach().bfloat16().double(), weight.detach().bfloat16().double(), bias.detach().double()]
    leaves = [tensor.requires_grad_() for tensor in rounded]
    y = nn.functional.conv2d(*leaves, padding=weight.shape[-1] // 2)
    y.backward(draw(*y.shape).bfloat16().double())
    return [y.detach(), leaves[0].grad if x.requires_grad else None, leaves[1].grad, leaves[2].grad]


def assert_close(found: Tensor | None, expected: Tensor | None) -> None:
    """To half a unit in the last place of bfloat16; to float32's accuracy of such sums in float32."""
    assert (found is None) == (expected is None)
    if found is not None and expected is not None:
        rounding, cancelled = (2**-8, 1e-5) if found.dtype == torch.bfloat16 else (0.0, 1e-5)
        scale = cancelled * expected.abs().max().item()
        torch.testing.assert_close(found.double(), expected, rtol=rounding, atol=scale)


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@needs_kernels
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_it_is_the_convolution_of_rounded_numbers(case: tuple[int, int, int], shape: tuple[int, int, int]) -> None:
    tensors = arguments(case, shape)
    found = differentiate(*tensors)
    assert found[0] is not None and found[0].dtype == torch.bfloat16
    assert found[0].is_contiguous(memory_format=LAST)
    for mine, expected in zip(found, by_hand(*tensors), strict=True):
        assert_close(mine, expected)


@needs_kernels
@pytest.mark.parametrize("case", CASES, ids=str)
def test_threads_change_no_bit(case: tuple[int, int, int], threads: None) -> None:
    tensors = arguments(case, (21, 9, 11))
    outcomes = []
    for num_threads in (1, 2, 3):
        torch.set_num_threads(num_threads)
        outcomes.append(differentiate(*tensors))
    for others in outcomes[1:]:
        for one, other in zip(outcomes[0], others, strict=True):
            assert one is None or (other is not None and torch.equal(one, other))


@needs_kernels
@pytest.mark.parametrize("case", [(16, 32, 3), (32, 16, 1), (3, 16, 3)], ids=str)
def test_any_strides_of_weights_and_gradients_only_where_wanted(case: tuple[int, int, int]) -> None:
    x, weight, bias = arguments(case, (2, 6, 10))
    expected = by_hand(x, weight, bias)
    spaced = torch.zeros(*weight.shape[:3], 2 * weight.shape[3])[..., ::2]
    for like in (weight.detach().contiguous(memory_format=LAST), spaced):
        like.copy_(weight.detach())
        found = differentiate(x, like.requires_grad_(), bias)
        assert_close(found[2], expected[2])
    frozen = weight.detach()
    only_bias = differentiate(x, frozen, bias)
    assert frozen.grad is None
    for index in (0, 1, 3):
        assert_close(only_bias[index], expected[index])
    y = by_kernel(convolve, x, weight, None)
    assert_close(y.detach(), by_hand(x, weight, torch.zeros(len(bias)))[0])


@needs_kernels
@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_nan_is_seen_where_it_counts(case: tuple[int, int, int]) -> None:
    x, weight, bias = arguments(case, (1, 6, 12))
    with torch.no_grad():
        x[0, 1, 2, 3] = float("nan")
    y = differentiate(x, weight, bias)[0]
    reach = case[2] // 2
    expected = torch.zeros(6, 12, dtype=torch.bool)
    expected[2 - reach : 3 + reach, 3 - reach : 4 + reach] = True
    assert y is not None
    assert (y.isnan().all(dim=1)[0] == expected)[:, :5].all()  # the stem reads one pixel more, with weight 0
    assert weight.grad is not None and weight.grad[:, 1].isnan().any()


@pytest.mark.parametrize("kind", [Conv2d, StandardizedConv2d])
@pytest.mark.parametrize("case", [(3, 16, 3), (16, 32, 3), (32, 16, 1)], ids=str)
def test_the_layer_is_the_one_without_kernels_to_rounding(
    kind: type[nn.Conv2d], case: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs, outputs, size = case
    layer = kind(inputs, outputs, size, padding=size // 2).to(memory_format=LAST)  # type: ignore[call-overload]
    images = draw(3, inputs, 8, 8).contiguous(memory_format=LAST).requires_grad_(inputs != 3)  # float32, as some norms'
    outcomes = []
    for compiled in (True, False):
        if not compiled:
            monkeypatch.setattr("normbench.norms.conv.convolve", lambda *arguments: None)
        layer.zero_grad()
        images.grad = None
        with torch.autocast("cpu", dtype=torch.bfloat16):
            y = layer(images)
        assert ("_Chain" in type(y.grad_fn).__name__) == (compiled and HAS_KERNELS)
        y.float().square().mean().backward()
        outcomes.append([y.detach(), images.grad, layer.weight.grad, layer.bias.grad])
    for mine, other in zip(*outcomes, strict=True):
        if mine is not None:
            assert (mine.dtype, mine.stride()) == (other.dtype, other.stride())
            torch.testing.assert_close(mine, other, rtol=0.02, atol=0.01 * other.abs().max().item())


@pytest.mark.parametrize(
    "options", [{"stride": 2}, {"padding": 0}, {"dilation": 2}, {"groups": 2}, {"padding_mode": "circular"}], ids=str
)
def test_other_convs_are_pytorchs(options: dict[str, object]) -> None:
    options = {"padding": 1} | options
    mine, other = Conv2d(16, 16, 3, **options), nn.Conv2d(16, 16, 3, **options)  # type: ignore[arg-type]
    other.load_state_dict(mine.state_dict())
    x = draw(2, 16, 8, 8).contiguous(memory_format=LAST)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(mine(x), other(x))


def test_without_autocast_it_is_pytorchs_float32() -> None:
    mine, other = Conv2d(16, 32, 3, padding=1), nn.Conv2d(16, 32, 3, padding=1)
    other.load_state_dict(mine.state_dict())
    x = draw(2, 16, 8, 8).contiguous(memory_format=LAST)
    assert torch.equal(mine(x), other(x))
    with torch.autocast("cpu", dtype=torch.float16):
        assert mine(x).dtype == torch.float16


def test_without_a_compiler_there_is_no_kernel() -> None:
    program = (
        "import torch; from normbench.norms import Conv2d\n"
        "x = torch.ones(1, 16, 4, 4).contiguous(memory_format=torch.channels_last)\n"
        "with torch.autocast('cpu', dtype=torch.bfloat16): y = Conv2d(16, 16, 3, padding=1)(x)\n"
        "print(y.dtype, type(y.grad_fn).__name__)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, "CXX": ""}, capture_output=True, text=True, check=True
    )
    assert ran.stdout.split() == ["torch.bfloat16", "ConvolutionBackward0"]


@pytest.mark.parametrize("layout", [LAST, torch.contiguous_format])
def test_a_conv_of_one_pixel_is_a_matrix_product_in_float32(layout: torch.memory_format) -> None:
    conv = Conv2d(32, 10, 1).to(memory_format=layout)
    x = draw(4, 32, 1, 1).contiguous(memory_format=layout).requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = conv(x)
    wide = [tensor.detach().double().requires_grad_() for tensor in (x, conv.weight, conv.bias)]
    expected = nn.functional.conv2d(*wide)
    assert y.dtype == torch.float32
    torch.testing.assert_close(y.double(), expected, rtol=1e-6, atol=1e-6)
    d_y = draw(*y.shape)
    found = torch.autograd.grad(y, [x, conv.weight, conv.bias], d_y)
    for gradient, by_formula in zip(found, torch.autograd.grad(expected, wide, d_y.double()), strict=True):
        torch.testing.assert_close(gradient.double(), by_formula, rtol=1e-6, atol=1e-5)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert conv.bfloat16()(x.detach().bfloat16()).dtype == torch.bfloat16


@needs_compiler
@pytest.mark.parametrize("shape", [(10, 32), (1, 16), (100, 48)])
@pytest.mark.parametrize("num_images", [1, 3, 37])
def test_the_linear_kernel_is_the_formula_at_any_number_of_threads(
    shape: tuple[int, int], num_images: int, threads: None
) -> None:
    outputs, inputs = shape
    weight, bias = draw(outputs, inputs, 1, 1).requires_grad_(), draw(outputs).requires_grad_()
    x = draw(num_images, inputs, 1, 1).requires_grad_()
    d_y = draw(num_images, outputs, 1, 1)
    found = []
    for num_threads in (1, 2, 3):
        torch.set_num_threads(num_threads)
        y = by_kernel(linear, x, weight, bias)
        found.append([y.detach(), *torch.autograd.grad(y, [x, weight, bias], d_y)])
    wide = [tensor.detach().double().requires_grad_() for tensor in (x, weight, bias)]
    expected = nn.functional.conv2d(*wide)
    wanted = [expected.detach(), *torch.autograd.grad(expected, wide, d_y.double())]
    for one, same, other, by_formula in zip(*found, wanted, strict=True):
        assert torch.equal(one, same) and torch.equal(one, other)
        torch.testing.assert_close(one.double(), by_formula, rtol=1e-5, atol=1e-5)
    assert torch.equal(by_kernel(linear, x, weight, None), by_kernel(linear, x, weight, torch.zeros(outputs)))


@needs_compiler
@pytest.mark.parametrize(
    ("x", "weight"),
    [
        (draw(2, 20, 1, 1), draw(10, 20, 1, 1)),
        (draw(2, 32, 2, 1), draw(10, 32, 1, 1)),
        (draw(2, 32, 1, 1), draw(10, 16, 1, 1)),
        (draw(2, 32, 1, 1), draw(10, 32, 1, 1).double()),
        (draw(2, 32, 1, 1).bfloat16(), draw(10, 32, 1, 1)),
    ],
    ids=["20 channels", "2 pixels", "fewer inputs", "float64", "bfloat16"],
)
def test_no_linear_kernel(x: Tensor, weight: Tensor) -> None:
    images = images_of(x.contiguous(memory_format=LAST))
    assert images is not None
    assert linear(images, weight, None) is None
