"""The sign-flip test of pairs: a second opinion that assumes no distribution."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from normbench.analysis.stats.difference import ROUNDING, checked_pairs, differences_of

if TYPE_CHECKING:
    import numpy as np

_MOST_ENUMERATED = 20  # pairs; half a million sign patterns, 10 ms
_DRAWS = 99_999


@dataclass(frozen=True)
class TestResult:
    """A two-sided p-value, and the smallest p-value possible with this number of pairs."""

    __test__ = False  # pytest collects classes by this name

    p_value: float | None
    why_undefined: str | None
    smallest_p: float | None = None
    note: str | None = None


def sign_flip(a: Sequence[float], b: Sequence[float]) -> TestResult:
    """Fisher's randomization test of pairs a[i], b[i], [n]: two-sided, without assuming normality.

    p = the share of the 2^n ways to swap a with b within pairs whose |sum of differences| is at least the one found.
    Exact by enumeration up to 20 pairs; beyond that 99,999 seeded draws, (k + 1) / (draws + 1). Fisher (1935), The
    Design of Experiments, section 21; Phipson & Smyth (2010), Stat. Appl. Genet. Mol. Biol. 9, for the + 1.

    k pairs that differ cannot give less than 2 / 2^k: six are the least for 0.05, and `note` says so for fewer.
    Undefined without a pair. Raises ValueError for unequal lengths or a value that is not finite.
    """
    a, b = checked_pairs(a, b)
    if not a:
        return TestResult(None, "no seed that both finished")
    differences = [difference for difference in differences_of(a, b) if difference != 0]  # 0 is 0 with either sign
    n = len(differences)
    if n == 0:
        return TestResult(1.0, None, 1.0, "no pair differs")
    at_least = abs(math.fsum(differences)) - ROUNDING * math.fsum(map(abs, differences))
    if n <= _MOST_ENUMERATED:
        p_value, smallest = _enumerated(differences, at_least), 2.0 ** (1 - n)
    else:
        p_value, smallest = _drawn(differences, at_least), 1 / (_DRAWS + 1)
    pairs = f"{n} {'pair that differs' if n == 1 else 'pairs that differ'}"
    note = f"{pairs} cannot give a p below {smallest:.3g}; six are the least for 0.05" if smallest > 0.05 else None
    return TestResult(p_value, None, smallest, note)


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
