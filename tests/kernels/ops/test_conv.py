"""The convolution as an op: the numbers of autocast and their gradients, at any number of threads."""

import pytest
import torch
from torch import Tensor, nn

from normbench.kernels.ops.conv import convolve
from tests.kernel_ops import described, needs_convs, run_op

pytestmark = needs_convs
LAST = torch.channels_last
CASES = [
    *((inputs, outputs, size) for inputs in (16, 32) for outputs in (16, 32) for size in (1, 3)),
    (3, 16, 3),  # the stem
]
SHAPES = [(1, 5, 7), (3, 5, 7), (2, 8, 8), (2, 3, 19), (19, 2, 1), (1, 1, 1), (2, 32, 32)]


def draw(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


def arguments(case: tuple[int, int, int], shape: tuple[int, int, int]) -> tuple[Tensor, Tensor, Tensor]:
    """x, weight and bias that want gradients, where the op can give one."""
    inputs, outputs, size = case
    num_images, height, width = shape
    x = draw(num_images, inputs, height, width).contiguous(memory_format=LAST)
    x = x if inputs == 3 else x.bfloat16().requires_grad_()
    return x, draw(outputs, inputs, size, size).requires_grad_(), draw(outputs).requires_grad_()


def run_conv(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return run_op(convolve(described(x), weight.shape, weight.stride()), x, weight, bias)


def differentiate(x: Tensor, weight: Tensor, bias: Tensor) -> list[Tensor | None]:
    """y and the gradients of a loss in it."""
    y = run_conv(x, weight, bias)
    upstream = draw(*y.shape).bfloat16().contiguous(memory_format=LAST)
    for tensor in (x, weight, bias):
        tensor.grad = None
    y.backward(upstream)
    return [y.detach(), x.grad, weight.grad, bias.grad]


def by_hand(x: Tensor, weight: Tensor, bias: Tensor) -> list[Tensor | None]:
    """y and the gradients in float64, from numbers rounded to bfloat16."""
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


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_it_is_the_convolution_of_rounded_numbers(case: tuple[int, int, int], shape: tuple[int, int, int]) -> None:
    tensors = arguments(case, shape)
    found = differentiate(*tensors)
    assert found[0] is not None and found[0].dtype == torch.bfloat16
    assert found[0].is_contiguous(memory_format=LAST)
    for mine, expected in zip(found, by_hand(*tensors), strict=True):
        assert_close(mine, expected)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_threads_change_no_bit(case: tuple[int, int, int], threads_restored: None) -> None:
    tensors = arguments(case, (21, 9, 11))
    outcomes = []
    for num_threads in (1, 2, 3):
        torch.set_num_threads(num_threads)
        outcomes.append(differentiate(*tensors))
    for others in outcomes[1:]:
        for one, other in zip(outcomes[0], others, strict=True):
            assert one is None or (other is not None and torch.equal(one, other))


@pytest.mark.parametrize("case", [(16, 32, 3), (32, 16, 1), (3, 16, 3)], ids=str)
def test_either_layout_of_weights_and_gradients_only_where_wanted(case: tuple[int, int, int]) -> None:
    x, weight, bias = arguments(case, (2, 6, 10))
    expected = by_hand(x, weight, bias)
    last = weight.detach().contiguous(memory_format=LAST)
    assert_close(differentiate(x, last.requires_grad_(), bias)[2], expected[2])
    frozen = weight.detach()
    only_bias = differentiate(x, frozen, bias)
    assert frozen.grad is None
    for index in (0, 1, 3):
        assert_close(only_bias[index], expected[index])


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


@pytest.mark.parametrize(
    ("x", "filters"),
    [
        (draw(2, 16, 8, 8).bfloat16(), (16, 16, 5, 5)),
        (draw(2, 24, 8, 8).bfloat16(), (16, 24, 3, 3)),
        (draw(2, 16, 8, 8).bfloat16(), (24, 16, 3, 3)),
        (draw(2, 16, 8, 8), (16, 16, 3, 3)),
        (draw(2, 16, 8, 8).bfloat16(), (16, 32, 3, 3)),
        (draw(2, 3, 8, 8).requires_grad_(), (16, 3, 3, 3)),
    ],
    ids=["5x5", "24 inputs", "24 outputs", "float32", "other channels", "stem with gradient"],
)
def test_no_op_for_other_shapes_and_types(x: Tensor, filters: tuple[int, ...]) -> None:
    x = x.detach().contiguous(memory_format=LAST).requires_grad_(x.requires_grad)
    assert convolve(described(x), torch.Size(filters), torch.empty(filters).stride()) is None
