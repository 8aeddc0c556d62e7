"""The depthwise convolution as an op: its formula and gradients, at any size and number of threads."""

import pytest
import torch
from torch import Tensor, nn

from normbench.kernels.ops.depthwise import convolve_depthwise
from tests.kernel_ops import TOLERANCE, assert_near, described, needs_compiler, random_images, run_op

pytestmark = needs_compiler
SIZES = [(1, 1), (1, 5), (2, 2), (7, 3), (8, 11), (9, 16)]


def draw(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


def differentiate(x: Tensor, weight: Tensor, bias: Tensor, stride: int) -> list[Tensor]:
    """y, and the gradients of x, weight and bias."""
    leaves = [tensor.detach().requires_grad_() for tensor in (x, weight, bias)]
    y = run_op(convolve_depthwise(described(leaves[0]), weight.shape, weight.stride(), stride), *leaves)
    upstream = draw(*y.shape).to(y.dtype).contiguous(memory_format=torch.channels_last)
    return [y.detach(), *torch.autograd.grad(y, leaves, upstream)]


def by_hand(x: Tensor, weight: Tensor, bias: Tensor, stride: int) -> list[Tensor]:
    """The same in float64, with the weight rounded to the type of x."""
    leaves = [tensor.double().requires_grad_() for tensor in (x, weight.to(x.dtype), bias)]
    y = nn.functional.conv2d(*leaves, stride=stride, padding=1, groups=len(bias))
    return [y.detach(), *torch.autograd.grad(y, leaves, draw(*y.shape).to(x.dtype).double())]


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_it_is_the_convolution_of_each_channel(size: tuple[int, int], stride: int, dtype: torch.dtype) -> None:
    x, weight, bias = random_images(3, 48, *size, dtype=dtype), draw(48, 1, 3, 3), draw(48)
    found, expected = differentiate(x, weight, bias, stride), by_hand(x, weight, bias, stride)
    assert found[0].is_contiguous(memory_format=torch.channels_last)
    for mine, formula, kind in zip(found, expected, (dtype, dtype, torch.float32, torch.float32), strict=True):
        assert mine.dtype == kind
        assert_near(mine, formula, TOLERANCE[kind])


def test_either_layout_of_weights() -> None:
    x, bias = random_images(2, 16, 5, 6), draw(16)
    across = draw(3, 3, 1, 16).permute(3, 2, 0, 1)
    found = differentiate(x, across, bias, 1)
    for mine, other in zip(found, differentiate(x, across.contiguous(), bias, 1), strict=True):
        assert torch.equal(mine, other)


@pytest.mark.parametrize("stride", [1, 2])
def test_the_number_of_threads_changes_no_bit(stride: int, threads_restored: None) -> None:
    x, weight, bias = random_images(21, 32, 9, 11, dtype=torch.bfloat16), draw(32, 1, 3, 3), draw(32)
    outcomes = []
    for num_threads in (1, 2, 3):
        torch.set_num_threads(num_threads)
        outcomes.append(differentiate(x, weight, bias, stride))
    for others in outcomes[1:]:
        assert all(torch.equal(one, other) for one, other in zip(outcomes[0], others, strict=True))


@pytest.mark.parametrize(
    ("channels", "filters", "stride"),
    [
        (24, (24, 1, 3, 3), 1),
        (16, (16, 1, 5, 5), 1),
        (16, (32, 1, 3, 3), 1),
        (16, (16, 2, 3, 3), 1),
        (16, (16, 1, 3, 3), 3),
    ],
    ids=["24 channels", "5x5", "two outputs a channel", "two inputs a filter", "stride 3"],
)
def test_no_op_for_others(channels: int, filters: tuple[int, ...], stride: int) -> None:
    x = described(random_images(2, channels, 8, 8))
    assert convolve_depthwise(x, filters, torch.empty(filters).stride(), stride) is None
