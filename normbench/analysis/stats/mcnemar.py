"""McNemar's test: do two trained networks differ in accuracy, judged by the same images?"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from normbench.analysis.stats.estimate import CONFIDENCE

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class McNemar:
    """`only_a`, `only_b`: images that one network alone classifies correctly. `difference`: a − b, as a fraction."""

    n: int
    only_a: int
    only_b: int
    difference: float | None
    low: float | None
    high: float | None
    p_value: float | None
    why_undefined: str | None


def mcnemar(correct_a: "np.ndarray", correct_b: "np.ndarray", confidence: float = CONFIDENCE) -> McNemar:
    """Whether two trained networks differ in accuracy on the distribution the test images come from.

    correct_a, correct_b: bool [num images], which images each network has right, in the same order. It says nothing
    about the norms: another seed of the same norm differs too, and by more than chance over images.

    p is the two-sided mid-p of a binomial(only_a + only_b, 1/2), the exact p less half the probability of what was
    found: the exact test is conservative, the mid-p test keeps its level almost exactly. The interval is Bonett and
    Price's, d ± z · sqrt((p_a + p_b − d²) / (n + 2)), p_x = (only_x + 1) / (n + 2), d = p_a − p_b. McNemar (1947),
    Psychometrika 12; Fagerland, Lydersen & Laake (2013), BMC Med. Res. Methodol. 13, and (2014), Statistics in
    Medicine 33, who recommend both; Bonett & Price (2012), J. Educ. Behav. Stat. 37.

    Undefined without images. Networks that are right on the same images give p = 1. Raises ValueError for arrays that
    are not bool or not of one same length, or a confidence outside (0, 1).
    """
    import numpy as np

    correct_a, correct_b = np.asarray(correct_a), np.asarray(correct_b)
    if correct_a.shape != correct_b.shape or correct_a.ndim != 1:
        raise ValueError(f"both must be [num images], not {correct_a.shape} and {correct_b.shape}")
    n = len(correct_a)
    if n and (correct_a.dtype != bool or correct_b.dtype != bool):
        raise ValueError(f"both must be bool, not {correct_a.dtype} and {correct_b.dtype}")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be between 0 and 1, not {confidence}")
    if n == 0:
        return McNemar(0, 0, 0, None, None, None, None, "no test images")
    only_a = int(np.count_nonzero(correct_a & ~correct_b))
    only_b = int(np.count_nonzero(correct_b & ~correct_a))
    low, high = _bonett_price(only_a, only_b, n, confidence)
    return McNemar(n, only_a, only_b, (only_a - only_b) / n, low, high, _mid_p(only_a, only_b), None)


def _mid_p(only_a: int, only_b: int) -> float:
    from scipy.special import bdtr

    fewer, both = min(only_a, only_b), only_a + only_b
    below = float(bdtr(fewer - 1, both, 0.5)) if fewer else 0.0
    return min(1.0, below + float(bdtr(fewer, both, 0.5)))  # 2 · (P(< fewer) + P(= fewer) / 2)


def _bonett_price(only_a: int, only_b: int, n: int, confidence: float) -> tuple[float, float]:
    from scipy.special import ndtri

    p_a, p_b = (only_a + 1) / (n + 2), (only_b + 1) / (n + 2)
    middle = p_a - p_b
    half = float(ndtri((1 + confidence) / 2)) * math.sqrt((p_a + p_b - middle**2) / (n + 2))
    return max(-1.0, middle - half), min(1.0, middle + half)
