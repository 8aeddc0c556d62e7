"""What a statistic of a batch of normal values is in the mean: the limit of its running average."""

import math
from collections.abc import Sequence
from statistics import fmean


def expected_variance(std: float, means: Sequence[float], count: int) -> float:
    """The mean of the unbiased variance over samples with these means and the same deviation, `count` values of each.

    σ² + count Σ (μ_n − μ)² / (n − 1), with n values in all: samples that differ in their mean add to the variance.
    """
    return std**2 + _between(means, count) / (len(means) * count - 1)


def expected_deviation(std: float, means: Sequence[float], count: int) -> float:
    """The mean of the biased deviation over the same values: below the root of the variance's mean.

    n times the biased variance is σ² times a noncentral chi-square variable with k = n − 1 degrees of freedom and
    λ = count Σ (μ_n − μ)² / σ². That is a chi-square variable with k + 2 J degrees, where J is Poisson(λ / 2); the mean
    of its root is sqrt(2) Γ((k + 1) / 2 + J) / Γ(k / 2 + J).
    """
    n = len(means) * count
    k, rate = n - 1, _between(means, count) / std**2 / 2
    mean, weight = 0.0, math.exp(-rate)
    for j in range(50 + round(rate + 10 * math.sqrt(rate))):  # beyond ten deviations of J nothing is left
        mean += weight * math.sqrt(2) * math.exp(math.lgamma((k + 1) / 2 + j) - math.lgamma(k / 2 + j))
        weight *= rate / (j + 1)
    return std * mean / math.sqrt(n)


def _between(means: Sequence[float], count: int) -> float:
    centre = fmean(means)
    return count * sum((mean - centre) ** 2 for mean in means)
