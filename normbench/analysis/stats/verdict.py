"""The verdicts on pairs of norms that are looked at together."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from normbench.analysis.stats.difference import Difference
from normbench.analysis.stats.holm import holm, holm_level
from normbench.analysis.stats.power import new_seeds

MOST_TOLD = 100
"""Seeds of a new experiment; a count beyond is no advice."""

Kind = Literal["real", "equivalent", "undecided", "undefined"]


@dataclass(frozen=True)
class Verdict:
    """A word on a − b, and what it goes by. What there is not is None.

    `low`, `high`: the interval that decided, of this `confidence`: real, exactly where it leaves out 0; equivalent,
    where it lies inside ±delta. It is the interval of this pair, not one that holds for all pairs at once. `p_value` is
    adjusted over the `num_pairs` that are looked at together. `smaller`: smaller than delta, which a real difference
    can be too. `new_seeds`: how many seeds a new experiment takes to find a true difference of delta 9 times in 10.
    `looks`: how often a sweep until decided has looked at the runs, at this pair.
    """

    kind: Kind
    text: str
    low: float | None = None
    high: float | None = None
    confidence: float | None = None
    p_value: float | None = None
    num_pairs: int = 1
    delta: float | None = None
    smaller: bool = False
    new_seeds: int | None = None
    why: str | None = None
    looks: int | None = None


def verdicts(
    names: Sequence[tuple[str, str]],
    differences: Sequence[Difference],
    delta: float,
    alpha: float = 0.05,
    *,
    unit: str = "points",
) -> tuple[Verdict, ...]:
    """What the runs say about each pair a − b, in the unit of the values, which `delta` shares (accuracies: 100 ·
    fraction). The pairs are looked at together, and the chance that any word is wrong is at most alpha for each word:

    `real`: p, after Holm over the pairs, is at most alpha. A real difference can also be smaller than delta, by the
    test of the next word, and the text says both.

    `equivalent`: not real, and p of two one-sided tests for |a − b| < delta (`Difference.equivalence_p`), after Holm
    over the pairs, is at most alpha.

    `undecided`: neither. The text says how many new seeds would find a true difference of delta 9 times in 10 at
    alpha / number of pairs (`new_seeds`), and notes where p is small before the adjustment only.

    `undefined`: no interval, so no verdict; the text says why. Such a pair does not count in the adjustment.

    The interval in a text is the one that decided (`Verdict.low`): of confidence 1 − the level of Holm's last step,
    1 − 2 · level for `equivalent`. Raises ValueError for a delta <= 0, or an alpha outside (0, 0.5).
    """
    if not 0 < delta < math.inf:
        raise ValueError(f"delta must be above 0, not {delta}")
    if not 0 < alpha < 0.5:
        raise ValueError(f"alpha must be between 0 and 0.5, not {alpha}")
    real = holm([each.p_value for each in differences])
    smaller = holm([each.equivalence_p(delta) for each in differences])
    together = _Together(
        delta, alpha, holm_level(real, alpha), holm_level(smaller, alpha), sum(p is not None for p in real), unit
    )
    return tuple(
        together.verdict(*pair, difference, p_real, p_smaller)
        for pair, difference, p_real, p_smaller in zip(names, differences, real, smaller, strict=True)
    )


@dataclass(frozen=True)
class _Together:
    """What the pairs of one table share: the levels that Holm's last step leaves for either word."""

    delta: float
    alpha: float
    real_level: float
    smaller_level: float
    num_pairs: int
    unit: str

    def verdict(
        self, name_a: str, name_b: str, difference: Difference, p_real: float | None, p_smaller: float | None
    ) -> Verdict:
        outer = difference.interval(1 - self.real_level)
        inner = difference.interval(1 - 2 * self.smaller_level)
        if p_real is None or p_smaller is None or outer is None or inner is None:
            why = difference.why_undefined or "no p-value"
            return Verdict("undefined", f"undefined: {why}", num_pairs=self.num_pairs, delta=self.delta, why=why)
        smaller = p_smaller <= self.alpha
        if p_real <= self.alpha:
            lead = f"real, but smaller than {self.delta:g}" if smaller else "real"
            text = f"{lead}: {relation(name_a, name_b, outer, self.unit)}"
            return self._verdict("real", text, outer, 1 - self.real_level, p_real, smaller)
        if smaller:
            within = with_unit(f"{self.delta:g}", self.unit)
            text = f"equivalent within {within}: {between(name_a, name_b, inner, self.delta)}"
            return self._verdict("equivalent", text, inner, 1 - 2 * self.smaller_level, p_smaller, smaller)
        needed = new_seeds(difference, self.delta, self.alpha / self.num_pairs)
        text = f"undecided: {self._only_holm(difference, p_real)}{self._way_on(needed, difference)}"
        return self._verdict("undecided", text, outer, 1 - self.real_level, p_real, new_seeds=needed)

    def _verdict(
        self,
        kind: Kind,
        text: str,
        interval: tuple[float, float],
        confidence: float,
        p_value: float,
        smaller: bool = False,
        new_seeds: int | None = None,
    ) -> Verdict:
        return Verdict(
            kind, text, *interval, confidence, p_value, self.num_pairs, self.delta, smaller, new_seeds=new_seeds
        )

    def _only_holm(self, difference: Difference, p_real: float) -> str:
        alone = difference.interval(1 - self.alpha)
        if alone is None or difference.p_value is None or difference.p_value > self.alpha:
            return ""
        p_value = _p_above(p_real, self.alpha)
        return f"{brackets(alone)} leaves out 0, but over {self.num_pairs} pairs p is {p_value} (Holm); "

    def _way_on(self, needed: int | None, difference: Difference) -> str:
        told = with_unit(f"{self.delta:g}", self.unit)
        if needed is None or needed > MOST_TOLD or min(difference.n_a, difference.n_b) < 3:  # from two: a guess
            return f"{told} cannot be told with these data"
        return f"a new experiment of about {needed} seeds each would tell {told}"


def relation(name_a: str, name_b: str, interval: tuple[float, float], unit: str) -> str:
    """`GN is 1.9 points below BN [1.5, 2.3]`, for a symmetric interval of a − b that leaves out 0."""
    low, high = sorted(map(abs, interval))
    side = "below" if interval[1] < 0 else "above"
    digits = _digits(low, high)
    return (
        f"{name_a} is {with_unit(f'{(low + high) / 2:.{digits}f}', unit)} {side} {name_b} "
        f"[{low:.{digits}f}, {high:.{digits}f}]"
    )


def between(name_a: str, name_b: str, interval: tuple[float, float], delta: float) -> str:
    """`GN - BN lies in [-0.2, 0.3]`, with digits enough that no end is printed as delta."""
    return f"{name_a} - {name_b} lies in {brackets(interval, delta)}"


def brackets(interval: tuple[float, float], mark: float = 0.0) -> str:
    """`[-0.2, 0.3]`, with digits by the width, and enough that no end is printed as `mark`."""
    digits = _digits(*interval, mark)
    low, high = (f"{end:.{digits}f}" for end in interval)
    return f"[{low}, {high}]"


def with_unit(number: str, unit: str) -> str:
    """`0.5 points`, `1 point`; the number alone for an empty unit."""
    return f"{number} {unit.removesuffix('s') if number == '1' else unit}".rstrip()


def _p_above(p_value: float, alpha: float) -> str:
    """p with two significant digits, or more if two would print it as alpha or less."""
    texts = (f"{p_value:.{digits}g}" for digits in range(2, 17))
    return next((text for text in texts if float(text) > alpha), f"{p_value}")


def _digits(low: float, high: float, mark: float = 0.0) -> int:
    """Decimals for an interval: half of its width has two units; no end near 0 or `mark` is printed as that value."""
    half = (high - low) / 2
    digits = max(1, math.ceil(-math.log10(half / 2))) if half > 0 else 1
    for end in (abs(low), abs(high)):
        while digits < 6 and any(end != other and float(f"{end:.{digits}f}") == other for other in (0.0, mark)):
            digits += 1
    return digits
