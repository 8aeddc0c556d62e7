"""The probability that one norm scores above another at a new seed."""

from dataclasses import dataclass

from normbench.analysis.stats.difference import Difference
from normbench.analysis.stats.estimate import CONFIDENCE

_LEAST_T, _MOST_T = 1e-6, 3000.0  # beyond, SciPy's search misses a root at 0, or does not end


@dataclass(frozen=True)
class Probability:
    """An estimated probability with its interval, all between 0 and 1, or why there is none."""

    value: float | None
    low: float | None
    high: float | None
    confidence: float
    why_undefined: str | None


def probability_better(difference: Difference, confidence: float = CONFIDENCE) -> Probability:
    """The probability that a has a greater value than b in a new run of each: Φ(η), η = mean / std of a − b.

    For normally distributed values; where seeds are paired, the two new runs are of one seed. t = mean / standard error
    follows a noncentral t with noncentrality η · std / standard error (about, if not all seeds are paired), which is
    solved for η: at the two tails for the interval, and at one half for the estimate. So the estimate is
    median-unbiased: Φ(mean / std), with the std taken at its word, is too sure of itself, most of all at n = 2. Reiser
    & Guttman (1986), Technometrics 28(3). Chosen over Mann and Whitney's rank estimate because n is about 5: ranks
    that separate completely, which happens often there, estimate 1 with no spread at all. The interval lies above 0.5
    exactly where the test of the difference says that a is greater.

    Undefined where there is no interval of the difference. Raises ValueError for confidence outside (0, 1).
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be between 0 and 1, not {confidence}")
    if difference.difference is None or not difference.std_error or not difference.spread:
        return Probability(None, None, None, confidence, difference.why_undefined or "no spread at one seed")
    from scipy.special import nctdtrinc, ndtr, ndtri

    t = max(-_MOST_T, min(_MOST_T, difference.difference / difference.std_error))
    root_n = difference.spread / difference.std_error

    def at(quantile: float) -> float:
        at_0 = -ndtri(quantile)
        return float(ndtr((at_0 if abs(t) < _LEAST_T else nctdtrinc(difference.df, quantile, t)) / root_n))

    tail = (1 - confidence) / 2
    return Probability(at(0.5), at(1 - tail), at(tail), confidence, None)
