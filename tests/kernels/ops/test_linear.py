"""A linear layer on images of one pixel as an op."""

import pytest
import torch
from torch import Tensor, nn

from normbench.kernels.ops.linear import linear
from tests.kernel_ops import TOLERANCE, described, needs_compiler, run_op

pytestmark = needs_compiler


def draw(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("shape", [(10, 32), (1, 16), (100, 48), (10, 160)])
@pytest.mark.parametrize("num_images", [1, 3, 37])
def test_output_and_gradients_are_the_formula_at_any_number_of_threads(
    shape: tuple[int, int], num_images: int, dtype: torch.dtype, threads_restored: None
) -> None:
    outputs, inputs = shape
    weight, bias = draw(outputs, inputs, 1, 1).requires_grad_(), draw(outputs).requires_grad_()
    x = draw(num_images, inputs, 1, 1).to(dtype).requires_grad_()
    d_y = draw(num_images, outputs, 1, 1)
    found = []
    for num_threads in (1, 2, 3):
        torch.set_num_threads(num_threads)
        y = run_op(linear(described(x), outputs), x, weight, bias)
        found.append([y.detach(), *torch.autograd.grad(y, [x, weight, bias], d_y)])
    wide = [tensor.detach().double().requires_grad_() for tensor in (x, weight, bias)]
    expected = nn.functional.conv2d(*wide)
    wanted = [expected.detach(), *torch.autograd.grad(expected, wide, d_y.double())]
    for one, same, other, by_formula in zip(*found, wanted, strict=True):
        assert torch.equal(one, same) and torch.equal(one, other)
        rounding = TOLERANCE[dtype] if one.dtype == torch.bfloat16 else 1e-5
        torch.testing.assert_close(one.double(), by_formula, rtol=rounding, atol=1e-5)


@pytest.mark.parametrize(
    "x", [draw(2, 20, 1, 1), draw(2, 32, 2, 1), draw(2, 2**13, 1, 1)], ids=["20 channels", "2 pixels", "many weights"]
)
def test_no_op_for_other_shapes_and_types(x: Tensor) -> None:
    assert linear(described(x.contiguous(memory_format=torch.channels_last)), 10) is None
