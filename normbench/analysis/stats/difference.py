"""The difference of two norms over seeds, its test and its interval: pure functions of numbers."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from normbench.analysis.stats.estimate import CONFIDENCE, checked

ROUNDING = 1e-12  # relative; a smaller spread comes from floating point, not from seeds

BySeed = Mapping[int, float]
"""The value of each finished run of a norm, by its seed."""


@dataclass(frozen=True)
class Difference:
    """The mean of a minus the mean of b, in the values' unit, with its interval. What cannot be computed is None.

    `p_value` is two-sided. `std_error` and `df` give any other interval: difference ± t(df) · std_error. `spread` is
    the standard deviation of a − b at one seed. `num_paired` counts the seeds of both norms that the test pairs.
    `why_undefined` is None where there is an interval.
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
    spread: float | None = None
    num_paired: int = 0

    @property
    def test(self) -> str:
        """The name of the test."""
        if self.num_paired == 0:
            return "Welch's t"
        return "paired t" if self.num_paired == self.n_a == self.n_b else "partly paired t"

    def interval(self, confidence: float) -> tuple[float, float] | None:
        """The two-sided interval at another confidence, None where there is none."""
        if self.difference is None or self.std_error is None or self.df is None:
            return None
        from scipy.special import stdtrit

        half = float(stdtrit(self.df, (1 + confidence) / 2)) * self.std_error
        return self.difference - half, self.difference + half

    def equivalence_p(self, delta: float) -> float | None:
        """The p-value of two one-sided tests that the true difference lies inside ±delta; None without an interval.

        It is at most alpha exactly if the 1 − 2 · alpha interval lies inside ±delta. Schuirmann (1987),
        J. Pharmacokinet. Biopharm. 15.
        """
        if self.difference is None or self.std_error is None or self.df is None:
            return None
        from scipy.special import stdtr

        return float(stdtr(self.df, (abs(self.difference) - delta) / self.std_error))


def over_seeds(a: BySeed, b: BySeed, confidence: float = CONFIDENCE) -> Difference:
    """The difference of two norms whose runs of one seed share first weights and batches, and so may be correlated.

    Where all seeds match this is `paired_t`, where fewer than two match it is `welch`. Between them, with m of n_a and
    n_b runs paired and r their correlation, the partially overlapping t test of unequal variances:

        t  = (mean_a − mean_b) / sqrt(v_a + v_b − 2 r std_a std_b m / (n_a n_b)),   v = std² / n
        df = (m − 1) + (df_welch − m + 1) · u / (u + 2 m),   u = n_a + n_b − 2 m

    which becomes either of the two at its end. Derrick, Russ, Toher & White (2017), Test statistics for the comparison
    of means for two samples that include both paired and independent observations, J. Mod. Appl. Stat. Methods 16(1).

    Raises ValueError for a value that is not finite, or a bad confidence.
    """
    values_a, values_b = [*a.values()], [*b.values()]
    pairs = [(value, b[seed]) for seed, value in a.items() if seed in b]
    if len(pairs) < 2:
        return welch(values_a, values_b, confidence)
    paired_a, paired_b = (list(values) for values in zip(*pairs, strict=True))
    if len(pairs) == len(a) == len(b):
        return paired_t(paired_a, paired_b, confidence)
    unpaired = welch(values_a, values_b, confidence)
    if unpaired.difference is None or unpaired.df is None:
        return unpaired
    n_a, n_b, num_paired = len(a), len(b), len(pairs)
    std_a, std_b = std(values_a), std(values_b)
    covariance = (correlation(paired_a, paired_b) or 0.0) * std_a * std_b
    variance = std_a**2 / n_a + std_b**2 / n_b - 2 * covariance * num_paired / (n_a * n_b)
    alone = n_a + n_b - 2 * num_paired
    df = num_paired - 1 + (unpaired.df - num_paired + 1) * alone / (alone + 2 * num_paired)
    spread = math.sqrt(max(0.0, std_a**2 + std_b**2 - 2 * covariance))
    found = _student(unpaired.difference, math.sqrt(variance), df, n_a, n_b, confidence, spread)
    return replace(found, num_paired=num_paired)


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
        why = "all runs on either side gave the same value: no spread to judge the difference by"
        return Difference(n_a, n_b, difference, None, None, None, confidence, why)
    share = v_a / (v_a + v_b)  # scaled first: the square of a small variance would underflow
    df = 1 / (share**2 / (n_a - 1) + (1 - share) ** 2 / (n_b - 1))
    return _student(difference, math.sqrt(v_a + v_b), df, n_a, n_b, confidence, math.hypot(std_a, std_b))


def paired_t(a: Sequence[float], b: Sequence[float], confidence: float = CONFIDENCE) -> Difference:
    """The mean difference of pairs, a[i] with b[i], by Student's t with n − 1 degrees of freedom: a, b [n].

    Right at any correlation within pairs and any two spreads, exactly so for normally distributed differences.
    Student (1908), Biometrika 6(1). Undefined for fewer than two pairs and where all differences are equal.
    Raises ValueError for unequal lengths, a value that is not finite, or a bad confidence.
    """
    a, b = checked_pairs(a, b, confidence)
    n = len(a)
    if n == 0:
        return Difference(0, 0, None, None, None, None, confidence, "no seed that both finished")
    differences = differences_of(a, b)
    if n == 1:
        why = "one seed that both finished: no interval"
        return Difference(1, 1, differences[0], None, None, None, confidence, why, num_paired=1)
    if (spread := std(differences)) == 0:
        why = "all pairs differ by the same: no spread to judge the difference by"
        return Difference(n, n, _mean(differences), None, None, None, confidence, why, num_paired=n)
    found = _student(_mean(differences), spread / math.sqrt(n), n - 1, n, n, confidence, spread)
    return replace(found, num_paired=n)


def correlation(a: Sequence[float], b: Sequence[float]) -> float | None:
    """Pearson's correlation of pairs, a[i] with b[i]: a, b [n]; None below two pairs, or where a side has no spread."""
    a, b = checked_pairs(a, b)
    if len(a) < 2 or std(a) == 0 or std(b) == 0:
        return None
    mean_a, mean_b = _mean(a), _mean(b)
    products = math.fsum((x - mean_a) * (y - mean_b) for x, y in zip(a, b, strict=True))
    return max(-1.0, min(1.0, products / ((len(a) - 1) * std(a) * std(b))))


def std(values: Sequence[float]) -> float:
    """The sample standard deviation sqrt(Σ (x − mean)² / (n − 1)) of n >= 2 values; 0 for differences of rounding."""
    if max(values) - min(values) <= ROUNDING * max(map(abs, values)):
        return 0.0
    mean = _mean(values)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))


def differences_of(a: Sequence[float], b: Sequence[float]) -> list[float]:
    """a − b; 0 for a difference of rounding."""
    return [x - y if abs(x - y) > ROUNDING * max(abs(x), abs(y)) else 0.0 for x, y in zip(a, b, strict=True)]


def checked_pairs(
    a: Sequence[float], b: Sequence[float], confidence: float = CONFIDENCE
) -> tuple[Sequence[float], Sequence[float]]:
    """The values. Raises ValueError for unequal lengths, a value that is not finite, or a bad confidence."""
    if len(a) != len(b):
        raise ValueError(f"pairs need as many values of a as of b, not {len(a)} and {len(b)}")
    return checked(a, confidence), checked(b, confidence)


def _student(
    difference: float, std_error: float, df: float, n_a: int, n_b: int, confidence: float, spread: float
) -> Difference:
    from scipy.special import stdtr, stdtrit

    half = float(stdtrit(df, (1 + confidence) / 2)) * std_error
    p_value = min(1.0, 2 * float(stdtr(df, -abs(difference) / std_error)))
    low, high = difference - half, difference + half
    return Difference(n_a, n_b, difference, low, high, p_value, confidence, None, std_error, df, spread)


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _no_run(n_a: int, n_b: int) -> str:
    return "no finished run of one of the two" if n_a or n_b else "no finished run of either"


def _too_few(n_a: int, n_b: int) -> str | None:
    if n_a > 1 and n_b > 1:
        return None
    return f"one run of {'each' if n_a == n_b else 'one of the two'}: no interval, it takes two or more of both"
