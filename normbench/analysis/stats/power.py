"""The power of Welch's test, and the number of runs that a given power takes."""

import math
from collections.abc import Callable, Sequence

from normbench.analysis.stats.difference import Difference

POWER = 0.9
MOST_SEEDS = 10_000  # runs per norm
_NODES = 16  # of the quadrature; 96 nodes give the same counts


def welch_power(n_a: int, n_b: int, std_a: float, std_b: float, delta: float, alpha: float = 0.05) -> float:
    """The chance that `welch` over n_a and n_b runs says p <= alpha where the true means differ by delta.

    For normally distributed values: the mean, over the chi-square distributions of both sample variances, of the
    normal probability that the difference exceeds the critical t times the standard error found. That includes the
    random degrees of freedom, which the usual noncentral t leaves out (Cohen 1988, Statistical Power Analysis).
    The tests compare it with simulation and, for pooled spreads, with the noncentral t.

    Raises ValueError for n below 2, a std that is negative, both 0, delta <= 0 or alpha outside (0, 1).
    """
    _check(std_a, std_b, delta, alpha)
    if min(n_a, n_b) < 2:
        raise ValueError(f"the test takes two runs a norm, not {n_a} and {n_b}")
    return _mean_power(n_a, n_b, std_a, std_b, delta, alpha, [1.0], [1.0])


def seeds_needed(std_a: float, std_b: float, delta: float, alpha: float = 0.05, power: float = POWER) -> int:
    """The least runs per norm with which `welch` finds a true difference of delta with this power.

    The standard deviations are taken as known. All in one unit. Raises ValueError as `welch_power`, for power outside
    (alpha, 1), and where it would take more than 10,000.
    """
    _check(std_a, std_b, delta, alpha, power)
    return _least(lambda n: welch_power(n, n, std_a, std_b, delta, alpha), 2, power)


def more_seeds(difference: Difference, delta: float, alpha: float = 0.05, power: float = POWER) -> int | None:
    """The runs that each norm needs in addition, so that a true difference of delta is found with this power.

    The standard deviations are themselves estimated from few runs, and a count that takes them at their word finds
    too little on average. So the power is averaged over what the true spread may be, std² · df / chi²(df) with
    Satterthwaite's df. This is the mean over the posterior under the prior 1/σ, and since count and spread scale
    together it is, but for rounding, the mean over repeated pilots too: O'Hagan, Stevens & Campbell (2005), Assurance
    in clinical trial design, Pharmaceutical Statistics 4. From 5 and 5 runs it asks for about a third more than
    `seeds_needed`, from 2 and 2 for several times as many.

    0 where there are enough. None without an interval or where it would take more than 10,000. The count is a plan;
    testing again after adding runs because of it is a second look at the same data, which only
    `sequential` accounts for. Raises ValueError for delta <= 0, alpha or power outside (0, 1).
    """
    _check(1, 1, delta, alpha, power)
    std_a, std_b, df = difference.std_a, difference.std_b, difference.df
    if std_a is None or std_b is None or df is None:
        return None
    from scipy.special import chdtri

    quantiles, weights = _quadrature()
    factors = [math.sqrt(df / float(chdtri(df, quantile))) for quantile in quantiles]
    n_a, n_b = difference.n_a, difference.n_b

    def expected(more: int) -> float:
        return _mean_power(n_a + more, n_b + more, std_a, std_b, delta, alpha, factors, weights)

    try:
        return _least(expected, 0, power)
    except ValueError:
        return None


def _mean_power(
    n_a: int,
    n_b: int,
    std_a: float,
    std_b: float,
    delta: float,
    alpha: float,
    factors: Sequence[float],
    weights: Sequence[float],
) -> float:
    """The weighted mean of the power over true spreads that are `factors` times std_a and std_b."""
    import numpy as np
    from scipy.special import chdtri, ndtr, stdtrit

    quantiles, weight = map(np.array, _quadrature())
    v_a = (std_a**2 / n_a * chdtri(n_a - 1, quantiles) / (n_a - 1))[:, None]  # sample std² / n of each side
    v_b = (std_b**2 / n_b * chdtri(n_b - 1, quantiles) / (n_b - 1))[None, :]
    share = v_a / (v_a + v_b)
    df = 1 / (share**2 / (n_a - 1) + (1 - share) ** 2 / (n_b - 1))
    std_error = math.sqrt(std_a**2 / n_a + std_b**2 / n_b)
    critical = (stdtrit(df, 1 - alpha / 2) * np.sqrt(v_a + v_b) / std_error)[:, :, None]
    shift = delta / (std_error * np.array(factors))
    found = ndtr(shift - critical) + ndtr(-shift - critical)
    return float(weight @ (weight @ found) @ np.array(weights))


def _quadrature() -> tuple[list[float], list[float]]:
    """Gauss-Legendre nodes on (0, 1), used as quantiles of the averaged variable, and their weights."""
    import numpy as np

    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    return ((nodes + 1) / 2).tolist(), (weights / 2).tolist()


def _least(power_of: Callable[[int], float], start: int, power: float) -> int:
    """The smallest count >= `start` whose power reaches `power`: doubling steps, then bisection."""
    if power_of(start) >= power:
        return start
    step = 1
    while power_of(start + step) < power:
        step *= 2
        if step > MOST_SEEDS:
            raise ValueError(f"it would take more than {MOST_SEEDS:,} runs per norm")
    below, enough = start + step // 2, start + step
    while enough - below > 1:
        middle = (below + enough) // 2
        below, enough = (below, middle) if power_of(middle) >= power else (middle, enough)
    return enough


def _check(std_a: float, std_b: float, delta: float, alpha: float, power: float = POWER) -> None:
    if min(std_a, std_b) < 0 or std_a + std_b <= 0 or not math.isfinite(std_a + std_b):
        raise ValueError(f"the standard deviations must be 0 or more, not both 0: {std_a}, {std_b}")
    if not 0 < delta < math.inf:
        raise ValueError(f"delta must be above 0, not {delta}")
    if not 0 < alpha < power < 1:
        raise ValueError(f"0 < alpha < power < 1 must hold, not alpha {alpha}, power {power}")
