"""The mean and variance over many images, against the formula in float64."""

import pytest
import torch

from normbench.train.moments import Moments


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("mean", [0.3, 30.0])
def test_they_are_exact(mean: float, dtype: torch.dtype, layout: torch.memory_format) -> None:
    """Those of PyTorch's batch norm are not: off by 2e-4 for channels_last on the CPU, by 1e-2 in bfloat16."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(300, 16, 16, 16, generator=generator) * torch.linspace(0.5, 2, 16)[:, None, None] + mean
    x = x.to(dtype).to(memory_format=layout)
    before = x.clone()
    moments = Moments(torch.zeros(16))
    for part in x.split(200):
        assert moments(part) is part
    assert torch.equal(x, before)
    values = x.double().transpose(0, 1).flatten(1)
    for found, expected in zip(moments.mean_and_variance(), (values.mean(1), values.var(1, correction=0)), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=0)


def test_a_constant_has_no_variance() -> None:
    moments = Moments(torch.zeros(2))
    moments(torch.full((3, 2, 5, 7), 1000.1))
    _, variance = moments.mean_and_variance()
    assert (variance >= 0).all() and variance.max() < 1e-6
