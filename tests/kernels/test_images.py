"""The compiled kernels around the network's own layers: bytes to floats, max pooling, the mean of all pixels."""

import pytest
import torch
from torch.nn import functional as F

from normbench.data.batches import normalize
from normbench.kernels import can_scale, images_of, max_pool, mean_of_pixels, scale_images
from normbench.kernels.library import library
from normbench.models.pool import MaxPool2d
from tests.kernels.test_norm import TOLERANCE, by_kernel, needs_compiler, random_images

SCALE, OFFSET = (0.5, 0.25, 2.0), (-1.0, 0.1, 3.0)


def random_bytes(*shape: int) -> torch.Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@needs_compiler
@pytest.mark.parametrize("shape", [(5, 3, 32, 32), (1, 3, 7, 3), (3, 3, 1, 1), (0, 3, 4, 4)])
def test_bytes_become_floats_by_the_formula(shape: tuple[int, ...]) -> None:
    images = random_bytes(*shape)
    assert can_scale(images)
    found = scale_images(images, SCALE, OFFSET)
    scale, offset = (torch.tensor(values, dtype=torch.float64).view(1, 3, 1, 1) for values in (SCALE, OFFSET))
    assert found.dtype == torch.float32
    assert found.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(found.double(), images.double() * scale + offset, rtol=2**-23, atol=1e-7)


def test_what_the_kernel_cannot_scale_is_left_to_pytorch() -> None:
    images = random_bytes(4, 3, 6, 6)
    assert can_scale(images) == (library() is not None)
    others = [images[:, :, ::2], images[:, :2], images.int(), images.contiguous(memory_format=torch.channels_last)]
    for other in others:
        assert not can_scale(other)
    for other in (others[0], others[2], others[3]):
        found = normalize(other, memory_format=torch.channels_last)
        torch.testing.assert_close(found, normalize(other.byte().contiguous()), rtol=1e-6, atol=1e-6)


@needs_compiler
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_max_pool_is_that_of_pytorch(dtype: torch.dtype) -> None:
    """Equal values too, of which the first gets the gradient: rounded numbers hold many."""
    x = random_images(3, 16, 6, 10).round().to(dtype).requires_grad_()
    y, expected = by_kernel(max_pool, x), F.max_pool2d(x, 2)
    assert torch.equal(y, expected)
    d_y = torch.randn_like(y)
    assert torch.equal(torch.autograd.grad(y, x, d_y)[0], torch.autograd.grad(expected, x, d_y)[0])


@needs_compiler
def test_what_the_kernels_cannot_pool_is_left_to_pytorch() -> None:
    for x in (random_images(2, 16, 5, 4), random_images(2, 24, 4, 4), random_images(2, 16, 4, 4).contiguous()):
        images = images_of(x)
        assert images is None or max_pool(images) is None
        assert torch.equal(MaxPool2d()(x), F.max_pool2d(x, 2))
    odd = images_of(random_images(2, 24, 4, 4))
    assert odd is not None and mean_of_pixels(odd) is None


@needs_compiler
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("channels", [16, 32, 48])
def test_the_mean_of_pixels_is_that_of_the_formula(dtype: torch.dtype, channels: int) -> None:
    x = random_images(3, channels, 6, 5).to(dtype).requires_grad_()
    mean = by_kernel(mean_of_pixels, x)
    assert mean.dtype == torch.float32
    torch.testing.assert_close(mean.double(), x.detach().double().mean((2, 3), keepdim=True), rtol=1e-6, atol=1e-6)
    d_mean = torch.randn(mean.shape, generator=torch.Generator().manual_seed(1))
    (d_x,) = torch.autograd.grad(mean, x, d_mean)
    assert d_x.dtype == dtype
    torch.testing.assert_close(d_x, (d_mean / 30).expand_as(x).to(dtype), rtol=TOLERANCE[dtype], atol=0)


@needs_compiler
def test_the_number_of_threads_changes_no_bit_of_a_mean() -> None:
    x, before, found = random_images(5, 16, 9, 9), torch.get_num_threads(), []
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        found.append(by_kernel(mean_of_pixels, x))
    torch.set_num_threads(before)
    assert all(torch.equal(found[0], other) for other in found[1:])
