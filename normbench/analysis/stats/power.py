"""The power of the paired t test, and the number of seeds that a given power takes."""

import math
from collections.abc import Callable
from functools import cache

from normbench.analysis.stats.difference import Difference

POWER = 0.9
MOST_SEEDS = 10_000
_NODES = 16  # of the quadrature; 96 nodes give the same counts


def paired_power(n: int, spread: float, delta: float, alpha: float = 0.05) -> float:
    """The chance that `paired_t` over n seeds says p <= alpha where the true difference is delta.

    `spread` is the standard deviation of the difference at one seed. t follows a noncentral t with n − 1 degrees of
    freedom and noncentrality delta / (spread / sqrt(n)): Cohen (1988), Statistical Power Analysis, chapter 2.

    Raises ValueError for n below 2, spread or delta <= 0, or alpha outside (0, 1).
    """
    _check(spread, delta, alpha)
    if n < 2:
        raise ValueError(f"the test takes two seeds, not {n}")
    return _mean_power(n, spread, delta, alpha, [1.0], [1.0])


def new_seeds(difference: Difference, delta: float, alpha: float = 0.05, power: float = POWER) -> int | None:
    """The seeds of a new experiment that finds a true difference of delta with this power, planned by this one.

    The spread is itself estimated from few runs, and a count that takes it at its word finds too little on average. So
    the power is averaged over what the true spread may be, spread² · df / chi²(df). This is the mean over the posterior
    under the prior 1/σ, and since count and spread scale together it is, but for rounding, the mean over repeated
    pilots too: O'Hagan, Stevens & Campbell (2005), Assurance in clinical trial design, Pharmaceutical Statistics 4.

    The count is for new seeds, tested alone: adding runs because of it and testing all of them again is a second look
    at the same data, which only `sequential` accounts for. None without an interval, or where it would take more than
    10,000. Raises ValueError for delta <= 0, alpha or power outside (0, 1).
    """
    _check(1, delta, alpha, power)
    spread, df = difference.spread, difference.df
    if not spread or df is None:
        return None
    from scipy.special import chdtri

    quantiles, weights = _quadrature()
    factors = [math.sqrt(df / float(chdtri(df, quantile))) for quantile in quantiles]
    try:
        return _least(lambda n: _mean_power(n, spread, delta, alpha, factors, weights), power)
    except ValueError:
        return None


def _mean_power(n: int, spread: float, delta: float, alpha: float, factors: list[float], weights: list[float]) -> float:
    """The weighted mean of the power over true spreads that are `factors` times `spread`.

    A noncentral t is a shifted normal over the root of chi² / df: the mean is taken over that chi² too.
    """
    import numpy as np
    from scipy.special import chdtri, ndtr, stdtrit

    df = n - 1
    quantiles, weight = map(np.array, _quadrature())
    critical = (stdtrit(df, 1 - alpha / 2) * np.sqrt(chdtri(df, quantiles) / df))[:, None]
    shift = delta * math.sqrt(n) / (spread * np.array(factors))
    found = ndtr(shift - critical) + ndtr(-shift - critical)
    return float(weight @ found @ np.array(weights))


@cache
def _quadrature() -> tuple[list[float], list[float]]:
    """Gauss-Legendre nodes on (0, 1), used as quantiles of the averaged variable, and their weights."""
    import numpy as np

    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    return ((nodes + 1) / 2).tolist(), (weights / 2).tolist()


def _least(power_of: Callable[[int], float], power: float) -> int:
    """The smallest count from 2 on whose power reaches `power`: doubling steps, then bisection."""
    below, enough = 1, 2
    while power_of(enough) < power:
        below, enough = enough, 2 * enough
        if below >= MOST_SEEDS:
            raise ValueError(f"it would take more than {MOST_SEEDS:,} seeds")
    while enough - below > 1:
        middle = (below + enough) // 2
        below, enough = (below, middle) if power_of(middle) >= power else (middle, enough)
    return enough


def _check(spread: float, delta: float, alpha: float, power: float = POWER) -> None:
    if not 0 < spread < math.inf:
        raise ValueError(f"the spread must be above 0, not {spread}")
    if not 0 < delta < math.inf:
        raise ValueError(f"delta must be above 0, not {delta}")
    if not 0 < alpha < power < 1:
        raise ValueError(f"0 < alpha < power < 1 must hold, not alpha {alpha}, power {power}")
