"""The constants of normalization: measured to four digits, the same on every machine."""

import pytest
import torch

from normbench.data.normalization import CIFAR10_CONSTANTS, Normalization, measure
from normbench.data.streams import stream


@pytest.mark.parametrize("channels", [1, 3])
def test_measured_constants_are_the_mean_and_the_std_of_all_pixels(channels: int) -> None:
    images = torch.randint(0, 256, (1100, channels, 5, 7), dtype=torch.uint8, generator=stream(0, "test"))
    images[:, 0] //= 3
    values = images.double() / 255
    found = measure(images)
    assert found.mean == tuple(pytest.approx(values[:, c].mean().item(), rel=1e-3) for c in range(channels))
    assert found.std == tuple(pytest.approx(values[:, c].std().item(), rel=1e-3) for c in range(channels))
    assert found.mean == tuple(float(f"{value:.4g}") for value in found.mean)


def test_a_channel_of_one_value_is_not_divided_by_0() -> None:
    assert measure(torch.full((2, 1, 4, 4), 51, dtype=torch.uint8)) == Normalization((0.2,), (1.0,))


def test_scale_and_offset_are_the_formula() -> None:
    for mean, std, scale, offset in zip(
        CIFAR10_CONSTANTS.mean, CIFAR10_CONSTANTS.std, CIFAR10_CONSTANTS.scale, CIFAR10_CONSTANTS.offset, strict=True
    ):
        assert 77 * scale + offset == pytest.approx((77 / 255 - mean) / std)
