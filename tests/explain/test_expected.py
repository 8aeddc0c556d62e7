"""Expected statistics of normal values, against their means over many drawn batches and against SciPy."""

import math

import pytest
import torch
from scipy import stats

from normbench.explain.expected import expected_deviation, expected_variance


@pytest.mark.parametrize("means", [(0.5,), (0.25, 0.75), (-3.0, 0.0, 4.0)])
@pytest.mark.parametrize("std", [0.5, 1.0, 4.0])
def test_they_are_the_means_over_many_batches(std: float, means: tuple[float, ...]) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(50_000, len(means), 4, generator=generator, dtype=torch.float64) * std
    values = (x + torch.tensor(means)[:, None]).flatten(1)
    for found, expected in (
        (values.var(1), expected_variance(std, means, 4)),
        (values.std(1, correction=0), expected_deviation(std, means, 4)),
    ):
        assert found.mean().item() == pytest.approx(expected, abs=5 * found.std().item() / math.sqrt(len(found)))


def test_a_batch_of_two_samples_has_a_fourteenth_more() -> None:
    assert [expected_variance(std, (0.25, 0.75), 4) for std in (1, 2, 3, 4)] == pytest.approx(
        [std**2 + 1 / 14 for std in (1, 2, 3, 4)]
    )


@pytest.mark.parametrize("std", [0.3, 1.0, 5.0])
def test_the_deviation_is_that_of_a_noncentral_chi_square(std: float) -> None:
    root = stats.ncx2(7, 0.5 / std**2).expect(math.sqrt)
    assert expected_deviation(std, (0.25, 0.75), 4) == pytest.approx(std * root / math.sqrt(8), rel=1e-6)
