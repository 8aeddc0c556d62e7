"""Max pooling and the mean of all pixels as ops."""

import pytest
import torch
from torch.nn import functional as F

from normbench.kernels.ops.pool import Window, global_avg_pool, max_pool
from tests.kernel_ops import TOLERANCE, described, needs_compiler, random_images, run_op

pytestmark = needs_compiler


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("window", [Window(2, 2), Window(3, 2, 1), Window(3, 1)], ids=str)
def test_max_pool_is_that_of_pytorch(window: Window, dtype: torch.dtype) -> None:
    """Equal values too, of which the first gets the gradient: rounded numbers hold many."""
    x = random_images(3, 16, 6, 11).round().to(dtype).requires_grad_()
    y, expected = run_op(max_pool(described(x), window), x), F.max_pool2d(x, *window)
    assert torch.equal(y, expected)
    d_y = torch.randn_like(y).round()  # sums of few such numbers are exact
    assert torch.equal(torch.autograd.grad(y, x, d_y)[0], torch.autograd.grad(expected, x, d_y)[0])


def test_max_pool_keeps_a_nan() -> None:
    x = random_images(2, 16, 4, 4)
    x[1, 3, 2, 2] = float("nan")
    assert run_op(max_pool(described(x)), x)[1, 3, 1, 1].isnan()


def test_no_op_where_no_window_fits_in_and_for_other_channel_counts() -> None:
    assert max_pool(described(random_images(2, 16, 1, 4))) is None
    assert max_pool(described(random_images(2, 24, 4, 4))) is None
    assert global_avg_pool(described(random_images(2, 24, 4, 4))) is None


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("channels", [16, 32, 48])
def test_the_mean_of_pixels_is_that_of_the_formula(dtype: torch.dtype, channels: int) -> None:
    x = random_images(3, channels, 6, 5).to(dtype).requires_grad_()
    mean = run_op(global_avg_pool(described(x)), x)
    assert mean.dtype == torch.float32
    torch.testing.assert_close(mean.double(), x.detach().double().mean((2, 3), keepdim=True), rtol=1e-6, atol=1e-6)
    d_mean = torch.randn(mean.shape, generator=torch.Generator().manual_seed(1))
    (d_x,) = torch.autograd.grad(mean, x, d_mean)
    assert d_x.dtype == dtype
    torch.testing.assert_close(d_x, (d_mean / 30).expand_as(x).to(dtype), rtol=TOLERANCE[dtype], atol=0)


def test_the_number_of_threads_changes_no_bit_of_a_mean(threads_restored: None) -> None:
    x, found = random_images(5, 16, 9, 9), []
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        found.append(run_op(global_avg_pool(described(x)), x))
    assert all(torch.equal(found[0], other) for other in found[1:])
