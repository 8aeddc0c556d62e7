"""The convolution as an op: the numbers of PyTorch and their gradients, at any number of threads."""

from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn

from normbench.kernels.ops.conv import convolve
from tests.kernel_ops import described, needs_compiler, run_op

pytestmark = needs_compiler
LAST, BF16, FP32 = torch.channels_last, torch.bfloat16, torch.float32


class Case(NamedTuple):
    inputs: int
    outputs: int
    size: int
    dtype: torch.dtype = BF16
    stride: int = 1

    @property
    def is_first(self) -> bool:
        """A network's first layer: images are float32, and want no gradient."""
        return self.inputs < 16


class Tensors(NamedTuple):
    x: Tensor
    weight: Tensor
    bias: Tensor


CASES = [
    *(Case(inputs, outputs, size) for inputs in (16, 32) for outputs in (16, 32) for size in (1, 3)),
    *(Case(*widths) for widths in ((16, 48, 3), (48, 32, 1), (64, 64, 3), (48, 16, 3, FP32), (64, 48, 1, FP32))),
    *(Case(*widths, FP32) for widths in ((16, 32, 3), (64, 64, 3), (32, 16, 1))),
    *(Case(16, 32, size, dtype, stride=2) for size in (1, 3) for dtype in (BF16, FP32)),
    *(Case(*widths) for widths in ((3, 16, 3), (1, 32, 3), (2, 16, 1), (4, 48, 3))),
    *(Case(*widths) for widths in ((3, 16, 3, FP32), (3, 32, 3, FP32, 2), (3, 16, 3, BF16, 2))),
]
SHAPES = [(3, 5, 7), (2, 8, 8), (2, 3, 19), (19, 2, 1), (1, 1, 1), (2, 16, 32), (1, 40, 90)]
NAMES = [str((*case[:3], str(case.dtype)[6:], case.stride)) for case in CASES]


def draw(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


def tensors_of(case: Case, shape: tuple[int, int, int]) -> Tensors:
    """They want gradients, where the op can give one."""
    num_images, height, width = shape
    x = draw(num_images, case.inputs, height, width).contiguous(memory_format=LAST)
    weight = draw(case.outputs, case.inputs, case.size, case.size)
    x = x if case.is_first else x.to(case.dtype).requires_grad_()
    return Tensors(x, weight.requires_grad_(), draw(case.outputs).requires_grad_())


def upstream_of(y: Tensor, case: Case) -> Tensor:
    return draw(*y.shape).to(case.dtype).contiguous(memory_format=LAST)


def differentiate(case: Case, tensors: Tensors) -> list[Tensor | None]:
    """y and the gradients of a loss in it."""
    x, weight, _ = tensors
    y = run_op(convolve(described(x), weight.shape, weight.stride(), case.dtype, case.stride), *tensors)
    for tensor in tensors:
        tensor.grad = None
    y.backward(upstream_of(y, case))
    return [y.detach(), *(tensor.grad for tensor in tensors)]


def by_hand(case: Case, tensors: Tensors) -> list[Tensor | None]:
    """y and the gradients in float64, from numbers rounded to the case's type; the bias is not rounded."""
    x, weight, bias = (tensor.detach() for tensor in tensors)
    leaves = [part.double().requires_grad_() for part in (x.to(case.dtype), weight.to(case.dtype), bias)]
    y = nn.functional.conv2d(*leaves, padding=case.size // 2, stride=case.stride)
    y.backward(upstream_of(y, case).double())
    return [y.detach(), leaves[0].grad if tensors.x.requires_grad else None, leaves[1].grad, leaves[2].grad]


def assert_close(found: Tensor | None, expected: Tensor | None) -> None:
    """To half a unit in the last place of bfloat16; to float32's accuracy of such sums in float32."""
    assert (found is None) == (expected is None)
    if found is not None and expected is not None:
        rounding, cancelled = (2**-8, 1e-5) if found.dtype == BF16 else (0.0, 1e-5)
        scale = cancelled * expected.abs().max().item()
        torch.testing.assert_close(found.double(), expected, rtol=rounding, atol=scale)


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_it_is_the_convolution_of_rounded_numbers(case: Case) -> None:
    for shape in SHAPES:
        tensors = tensors_of(case, shape)
        found = differentiate(case, tensors)
        assert found[0] is not None and found[0].dtype == case.dtype
        assert found[0].is_contiguous(memory_format=LAST)
        for mine, expected in zip(found, by_hand(case, tensors), strict=True):
            assert_close(mine, expected)


@pytest.mark.parametrize("case", CASES[::2], ids=NAMES[::2])
def test_threads_change_no_bit(case: Case, threads_restored: None) -> None:
    tensors = tensors_of(case, (21, 9, 11))
    outcomes = []
    for num_threads in (1, 2, 3):
        torch.set_num_threads(num_threads)
        outcomes.append(differentiate(case, tensors))
    for others in outcomes[1:]:
        for one, other in zip(outcomes[0], others, strict=True):
            assert one is None or (other is not None and torch.equal(one, other))


@pytest.mark.parametrize("case", [Case(16, 32, 3), Case(32, 16, 1), Case(3, 16, 3), Case(16, 16, 3, FP32)], ids=str)
def test_either_layout_of_weights_and_gradients_only_where_wanted(case: Case) -> None:
    tensors = tensors_of(case, (2, 6, 10))
    expected = by_hand(case, tensors)
    last = tensors.weight.detach().contiguous(memory_format=LAST)
    assert_close(differentiate(case, tensors._replace(weight=last.requires_grad_()))[2], expected[2])
    frozen = tensors.weight.detach()
    only_bias = differentiate(case, tensors._replace(weight=frozen))
    assert frozen.grad is None
    for index in (0, 1, 3):
        assert_close(only_bias[index], expected[index])


@pytest.mark.parametrize("case", [*CASES[:4], Case(3, 16, 3), Case(3, 16, 3, FP32), Case(16, 16, 3, FP32)], ids=str)
def test_a_nan_is_seen_where_it_counts(case: Case) -> None:
    tensors = tensors_of(case, (1, 6, 12))
    with torch.no_grad():
        tensors.x[0, 1, 2, 3] = float("nan")
    y = differentiate(case, tensors)[0]
    reach = case.size // 2
    expected = torch.zeros(6, 12, dtype=torch.bool)
    expected[2 - reach : 3 + reach, 3 - reach : 4 + reach] = True
    assert y is not None
    # From images of 3 colors in bfloat16, numbers are read in pairs: half a pixel more, with weight 0.
    assert (y.isnan().all(dim=1)[0] == expected)[:, 2 if case.is_first else 0 :].all()
    assert tensors.weight.grad is not None and tensors.weight.grad[:, 1].isnan().any()


@pytest.mark.parametrize(
    ("x", "filters"),
    [
        (draw(2, 16, 8, 8).bfloat16(), (16, 16, 5, 5)),
        (draw(2, 24, 8, 8).bfloat16().requires_grad_(), (16, 24, 3, 3)),
        (draw(2, 16, 8, 8).bfloat16(), (24, 16, 3, 3)),
        (draw(2, 16, 8, 8).requires_grad_(), (16, 16, 3, 3)),
        (draw(2, 16, 8, 8).bfloat16(), (16, 32, 3, 3)),
        (draw(2, 3, 8, 8).requires_grad_(), (16, 3, 3, 3)),
    ],
    ids=["5x5", "24 inputs", "24 outputs", "float32 activation", "other channels", "images with gradient"],
)
def test_no_op_for_other_shapes_and_types(x: Tensor, filters: tuple[int, ...]) -> None:
    x = x.detach().contiguous(memory_format=LAST).requires_grad_(x.requires_grad)
    assert convolve(described(x), torch.Size(filters), torch.empty(filters).stride(), BF16) is None
