"""Bytes to normalized floats: the formula, by the kernel and without."""

import pytest
import torch
from torch import Tensor

from normbench.data.normalization import CIFAR10_CONSTANTS, Normalization
from normbench.kernels.images import normalize


def random_bytes(*shape: int) -> Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("memory_format", [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize(
    "images",
    [
        random_bytes(5, 3, 32, 32),
        random_bytes(1, 3, 7, 3),
        random_bytes(3, 3, 1, 1),
        random_bytes(0, 3, 4, 4),
        random_bytes(4, 3, 6, 6)[:, :, ::2],
        random_bytes(4, 3, 6, 6).contiguous(memory_format=torch.channels_last),
        random_bytes(4, 3, 6, 6).int(),
        random_bytes(5, 1, 28, 28),
        random_bytes(2, 4, 9, 5),
    ],
    ids=["32x32", "7x3", "1x1", "none", "with gaps", "channels_last", "int32", "grey", "four channels"],
)
def test_it_is_the_formula(images: Tensor, memory_format: torch.memory_format) -> None:
    channels = images.shape[1]
    mean, std = ((*values, 0.5)[:channels] for values in (CIFAR10_CONSTANTS.mean, CIFAR10_CONSTANTS.std))
    found = normalize(images, Normalization(mean, std), memory_format)
    mean, std = (torch.tensor(values, dtype=torch.float64).view(1, channels, 1, 1) for values in (mean, std))
    assert found.dtype == torch.float32
    assert found.is_contiguous(memory_format=memory_format)
    torch.testing.assert_close(found.double(), (images.double() / 255 - mean) / std, rtol=1e-6, atol=1e-6)


def test_constants_for_other_channels_are_refused() -> None:
    with pytest.raises(ValueError, match="channels"):
        normalize(random_bytes(2, 1, 4, 4), CIFAR10_CONSTANTS)
