"""Tests and intervals for the difference of two norms over seeds: pure functions of numbers."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from normbench.analysis.stats.estimate import CONFIDENCE, checked

if TYPE_CHECKING:
    import numpy as np

_ROUNDING = 1e-12  # relative; a smaller spread comes from floating point, not from seeds
_MOST_ENUMERATED = 20  # pairs; half a million sign patterns, 10 ms
_DRAWS = 99_999


@dataclass(frozen=True)
class Difference:
    """The mean of a minus the mean of b, in the values' unit, with its interval. What cannot be computed is None.

    `p_value` is two-sided. `std_error` and `df` give any other interval: difference ± t(df) · std_error. `std_a` and
    `std_b` are None for a paired difference. `why_undefined` is None where there is an interval.
    """

    n_a: int
    n_b: int
    difference: float | None
    low: float | None
    high: float | None
    p_value: float | None
    confidence: float
    why_undefined: str | None
    std_error: float | None = None
    df: float | None = None
    std_a: float | None = None
    std_b: float | None = None

    def interval(self, confidence: float) -> tuple[float, float] | None:
        """The two-sided interval at another confidence, None where there is none."""
        if self.difference is None or self.std_error is None or self.df is None:
            return None
        from scipy.special import stdtrit

        half = float(stdtrit(self.df, (1 + confidence) / 2)) * self.std_error
        return self.difference - half, self.difference + half


@dataclass(frozen=True)
class TestResult:
    """A two-sided p-value, and the smallest p-value possible with this number of pairs."""

    __test__ = False  # pytest collects classes by this name

    p_value: float | None
    why_undefined: str | None
    smallest_p: float | None = None
    note: str | None = None


@dataclass(frozen=True)
class Probability:
    """An estimated probability with its interval, all between 0 and 1, or why there is none."""

    value: float | None
    low: float | None
    high: float | None
    confidence: float
    why_undefined: str | None


def welch(a: Sequence[float], b: Sequence[float], confidence: float = CONFIDENCE) -> Difference:
    """The difference of two independent means, spreads not assumed equal: a [n_a], b [n_b], n not assumed equal.

    t = (mean_a − mean_b) / sqrt(v_a + v_b), v = std² / n, against Student's t with
    (v_a + v_b)² / (v_a² / (n_a − 1) + v_b² / (n_b − 1)) degrees of freedom. Welch (1947), The generalization of
    'Student's' problem, Biometrika 34; Satterthwaite (1946), Biometrics Bulletin 2.

    Undefined for fewer than two values on a side and where no side has any spread: with t = ±inf any difference of two
    constants would come out as significant. Raises ValueError for a value that is not finite, or a bad confidence.
    """
    a, b = checked(a, confidence), checked(b, confidence)
    n_a, n_b = len(a), len(b)
    if not n_a or not n_b:
        return Difference(n_a, n_b, None, None, None, None, confidence, _no_run(n_a, n_b))
    difference = _mean(a) - _mean(b)
    if why := _too_few(n_a, n_b):
        return Difference(n_a, n_b, difference, None, None, None, confidence, why)
    std_a, std_b = std(a), std(b)
    v_a, v_b = std_a**2 / n_a, std_b**2 / n_b
    if v_a + v_b == 0:
        why = "all runs of a norm gave the same value: no spread to judge the difference by"
        return Difference(n_a, n_b, difference, None, None, None, confidence, why)
    df = welch_df(v_a, v_b, n_a, n_b)
    return _student(difference, math.sqrt(v_a + v_b), df, n_a, n_b, confidence, std_a, std_b)


def paired_t(a: Sequence[float], b: Sequence[float], confidence: float = CONFIDENCE) -> Difference:
    """The mean difference of pairs, a[i] with b[i], by Student's t with n − 1 degrees of freedom: a, b [n].

    More powerful than `welch` if the values of a pair are positively correlated, here through the seed.
    Student (1908), Biometrika 6(1). Undefined for fewer than two pairs and where all differences are equal.
    Raises ValueError for unequal lengths, a value that is not finite, or a bad confidence.
    """
    a, b = _checked_pairs(a, b, confidence)
    n = len(a)
    if n == 0:
        return Difference(0, 0, None, None, None, None, confidence, "no seed that both norms finished")
    differences = _differences(a, b)
    if n == 1:
        why = "one seed that both norms finished: no interval"
        return Difference(1, 1, differences[0], None, None, None, confidence, why)
    if (spread := std(differences)) == 0:
        why = "all pairs differ by the same: no spread to judge the difference by"
        return Difference(n, n, _mean(differences), None, None, None, confidence, why)
    return _student(_mean(differences), spread / math.sqrt(n), n - 1, n, n, confidence)


def sign_flip(a: Sequence[float], b: Sequence[float]) -> TestResult:
    """Fisher's randomization test of pairs a[i], b[i], [n]: two-sided, without assuming normality.

    p = the share of the 2^n ways to swap a with b within pairs whose |sum of differences| is at least the one found.
    Exact by enumeration up to 20 pairs; beyond that 99,999 seeded draws, (k + 1) / (draws + 1). Fisher (1935), The
    Design of Experiments, section 21; Phipson & Smyth (2010), Stat. Appl. Genet. Mol. Biol. 9, for the + 1.

    k pairs that differ cannot give less than 2 / 2^k: six are the least for 0.05, and `note` says so for fewer.
    Undefined without a pair. Raises ValueError for unequal lengths or a value that is not finite.
    """
    a, b = _checked_pairs(a, b, CONFIDENCE)
    if not a:
        return TestResult(None, "no seed that both norms finished")
    differences = [difference for difference in _differences(a, b) if difference != 0]  # 0 is 0 with either sign
    n = len(differences)
    if n == 0:
        return TestResult(1.0, None, 1.0, "no pair differs")
    at_least = abs(math.fsum(differences)) - _ROUNDING * math.fsum(map(abs, differences))
    if n <= _MOST_ENUMERATED:
        p_value, smallest = _enumerated(differences, at_least), 2.0 ** (1 - n)
    else:
        p_value, smallest = _drawn(differences, at_least), 1 / (_DRAWS + 1)
    pairs = f"{n} {'pair that differs' if n == 1 else 'pairs that differ'}"
    note = f"{pairs} cannot give a p below {smallest:.3g}; six are the least for 0.05" if smallest > 0.05 else None
    return TestResult(p_value, None, smallest, note)


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """P-values adjusted for multiple tests: rejecting at adjusted p <= alpha keeps the family-wise error at alpha.

    The i-th smallest of m is multiplied by m − i + 1, never below the one before it, at most 1. Valid however the
    tests depend on one another. Holm (1979), Scandinavian Journal of Statistics 6. None, a pair without a test, stays
    None and does not count. Raises ValueError for a p-value outside [0, 1].
    """
    known = [(p_value, index) for index, p_value in enumerate(p_values) if p_value is not None]
    if not all(0 <= p_value <= 1 for p_value, _ in known):
        raise ValueError(f"p-values must be between 0 and 1: {list(p_values)}")
    adjusted: list[float | None] = [None] * len(p_values)
    reached = 0.0
    for rank, (p_value, index) in enumerate(sorted(known)):
        reached = max(reached, min(1.0, (len(known) - rank) * p_value))
        adjusted[index] = reached
    return adjusted


def probability_better(a: Sequence[float], b: Sequence[float], confidence: float = CONFIDENCE) -> Probability:
    """The probability that a new run of a has a greater value than a new run of b: a [n_a], b [n_b].

    Φ(η), η = (mean_a − mean_b) / sqrt(std_a² + std_b²), for normally distributed values. The interval: t of `welch`
    follows about a noncentral t with its degrees of freedom and noncentrality η · sqrt(m), m = (std_a² + std_b²) /
    (std_a² / n_a + std_b² / n_b), which is solved for η. Reiser & Guttman (1986), Technometrics 28(3). Chosen over
    Mann and Whitney's rank estimate because n is about 5: ranks that separate completely, which happens often there,
    estimate 1 with no spread at all. The interval lies above 0.5 where Welch's test says a is greater.

    Where less is better, swap a and b. Undefined where `welch` is; raises ValueError as it does.
    """
    test = welch(a, b, confidence)
    if test.difference is None or test.std_error is None or test.std_a is None or test.std_b is None:
        return Probability(None, None, None, confidence, test.why_undefined)
    from scipy.special import nctdtrinc, ndtr

    spread = math.hypot(test.std_a, test.std_b)
    root_m = spread / test.std_error
    t = max(
        -3000.0, min(3000.0, test.difference / test.std_error)
    )  # beyond, all results are 0 or 1, and SciPy's search does not end
    tail = (1 - confidence) / 2
    value = float(ndtr(test.difference / spread))
    low = float(ndtr(nctdtrinc(test.df, 1 - tail, t) / root_m))
    high = float(ndtr(nctdtrinc(test.df, tail, t) / root_m))
    return Probability(value, low, high, confidence, None)


def std(values: Sequence[float]) -> float:
    """The sample standard deviation sqrt(Σ (x − mean)² / (n − 1)) of n >= 2 values; 0 for differences of rounding."""
    if max(values) - min(values) <= _ROUNDING * max(map(abs, values)):
        return 0.0
    mean = _mean(values)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))


def welch_df(v_a: float, v_b: float, n_a: int, n_b: int) -> float:
    """Satterthwaite's degrees of freedom; v_a, v_b are the sides' std² / n, not both 0."""
    share = v_a / (v_a + v_b)  # scaled first: the square of a small variance would underflow
    return 1 / (share**2 / (n_a - 1) + (1 - share) ** 2 / (n_b - 1))


def _student(
    difference: float,
    std_error: float,
    df: float,
    n_a: int,
    n_b: int,
    confidence: float,
    std_a: float | None = None,
    std_b: float | None = None,
) -> Difference:
    from scipy.special import stdtr, stdtrit

    half = float(stdtrit(df, (1 + confidence) / 2)) * std_error
    p_value = min(1.0, 2 * float(stdtr(df, -abs(difference) / std_error)))
    low, high = difference - half, difference + half
    return Difference(n_a, n_b, difference, low, high, p_value, confidence, None, std_error, df, std_a, std_b)


def _enumerated(differences: Sequence[float], at_least: float) -> float:
    import numpy as np

    sums = differences[0] + _signed_sums(
        differences[1:]
    )  # the first value keeps its sign: by symmetry half of the patterns suffice
    return float(np.mean(np.abs(sums) >= at_least))


def _drawn(differences: Sequence[float], at_least: float) -> float:
    import numpy as np

    generator, sums = np.random.default_rng(0), np.zeros(_DRAWS)
    for start in range(0, len(differences), 8):  # one random byte gives eight signs: a tenth of the time
        of_pattern = _signed_sums(differences[start : start + 8])
        sums += of_pattern[generator.integers(len(of_pattern), size=_DRAWS)]
    return (int(np.sum(np.abs(sums) >= at_least)) + 1) / (_DRAWS + 1)


def _signed_sums(values: Sequence[float]) -> "np.ndarray":
    """The sums of k values under each of the 2^k patterns of signs."""
    import numpy as np

    sums = np.zeros(1)
    for value in values:
        sums = np.concatenate([sums + value, sums - value])
    return sums


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _differences(a: Sequence[float], b: Sequence[float]) -> list[float]:
    """a − b; 0 for a difference of rounding."""
    return [x - y if abs(x - y) > _ROUNDING * max(abs(x), abs(y)) else 0.0 for x, y in zip(a, b, strict=True)]


def _checked_pairs(
    a: Sequence[float], b: Sequence[float], confidence: float
) -> tuple[Sequence[float], Sequence[float]]:
    if len(a) != len(b):
        raise ValueError(f"pairs need as many values of a as of b, not {len(a)} and {len(b)}")
    return checked(a, confidence), checked(b, confidence)


def _no_run(n_a: int, n_b: int) -> str:
    return "no finished run of one of the norms" if n_a or n_b else "no finished run of either norm"


def _too_few(n_a: int, n_b: int) -> str | None:
    if n_a > 1 and n_b > 1:
        return None
    return f"one run of {'each' if n_a == n_b else 'one'} norm: no interval, it takes two or more of both"
