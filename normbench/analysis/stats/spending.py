"""Alpha spending: the nominal level of each look at growing data that keeps the overall false-alarm rate."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

_RHO = 2  # see `spend`
_NODES_PER_STEP = 12  # of the quadrature, per standard deviation of one look's increment
_LEAST_NODES = 64


def spend(fraction: float, alpha: float) -> float:
    """The part of alpha that may be spent once `fraction` of the planned information, at most 1, is there.

    alpha · fraction², of the power family: Kim & DeMets (1987), Biometrika 74. With five looks and power 0.9 it takes
    at most 6 % more runs than a single look and on average 30 % fewer where there is a difference. The first power,
    near Pocock's boundary, takes 14 % more and 32 % fewer; the third, near O'Brien and Fleming's, 3 % and 27 %.
    """
    return alpha * min(1.0, fraction) ** _RHO


@lru_cache(maxsize=4096)
def nominal_alphas(information: tuple[float, ...], spent: tuple[float, ...]) -> tuple[float, ...]:
    """The two-sided p at or below which each look stops, so that looks 1 to k together stop equals in spent[k].

    `information`: of the estimate at each look, in any unit, growing: the number of runs, or 1 / variance. `spent`:
    cumulative, each below 1, not falling. For estimates that are normal with independent increments; t-tests are
    held against the same p, the significance-level approach: Jennison & Turnbull (2000), Group Sequential Methods,
    section 4.4. Lan & DeMets (1983), Biometrika 70; the recursive integration is Armitage, McPherson & Rowe's (1969),
    J. R. Stat. Soc. A 132, as in Jennison & Turnbull, chapter 19.

    Raises ValueError for information that does not grow, or spent that falls or leaves [0, 1).
    """
    if len(information) != len(spent) or any(b <= a for a, b in zip((0.0, *information), information, strict=False)):
        raise ValueError(f"information must grow from above 0, one value a look: {information}")
    if any(b < a for a, b in zip((0.0, *spent), spent, strict=False)) or (spent and spent[-1] >= 1):
        raise ValueError(f"spent must not fall, from 0 up to below 1: {spent}")
    from scipy.special import ndtr, ndtri

    levels: list[float] = []
    steps = _Steps(information)
    for index, total in enumerate(spent):
        share = total - (spent[index - 1] if index else 0.0)
        if share == 0:
            bound = 38.0  # p of 1e-315
        elif index == 0:
            bound = -float(ndtri(share / 2))
        else:
            bound = steps.bound(share)
        steps.go_on(bound)
        levels.append(2 * float(ndtr(-bound)))
    return tuple(levels)


def exit_probabilities(information: Sequence[float], bounds: Sequence[float], drift: float = 0.0) -> Iterator[float]:
    """The probability of first finding |z| >= bounds[k] at look k, where z has mean drift · sqrt(information[k])."""
    steps = _Steps(information, drift)
    for bound in bounds:
        yield steps.exit(bound)
        steps.go_on(bound)


class _Steps:
    """The density of the score z · sqrt(information), look after look, for paths that have not crossed a bound."""

    def __init__(self, information: Sequence[float], drift: float = 0.0) -> None:
        import numpy as np

        self._information = [value / information[-1] for value in information] if information else []
        self._drift = drift * (information[-1] ** 0.5 if information else 1)
        self._look = 0
        self._nodes, self._mass = np.zeros(1), np.ones(1)

    def exit(self, bound: float) -> float:
        """The probability that the next look is the first to cross ±bound."""
        from scipy.special import ndtr

        edge, middle, width = self._next(bound)
        return float(self._mass @ (ndtr((-edge - middle) / width) + ndtr((middle - edge) / width)))

    def bound(self, share: float) -> float:
        """The bound which the next look is the first to cross with probability `share`, by bisection."""
        low, high = 0.0, 38.0
        while high - low > 1e-10:
            middle = (low + high) / 2
            low, high = (middle, high) if self.exit(middle) > share else (low, middle)
        return high

    def go_on(self, bound: float) -> None:
        """Takes the look: only paths between the bounds go on."""
        import numpy as np

        edge, middle, width = self._next(bound)
        edge = min(edge, float(np.max(np.abs(middle))) + 9 * width)  # the density beyond is negligible
        later = self._information[self._look + 1 : self._look + 2]
        narrowest = min([width, *(np.sqrt(value - self._information[self._look]) for value in later)])
        count = max(_LEAST_NODES, int(_NODES_PER_STEP * edge / narrowest))
        nodes, weights = _gauss_legendre(count)
        nodes = edge * nodes
        density = np.exp(-0.5 * ((nodes[:, None] - middle[None, :]) / width) ** 2) / (width * np.sqrt(2 * np.pi))
        self._mass = edge * weights * (density @ self._mass)
        self._nodes = nodes
        self._look += 1

    def _next(self, bound: float) -> tuple[float, "np.ndarray", float]:
        """The bound on the score's scale, and the means and standard deviation of the score at the next look."""
        now = self._information[self._look]
        added = now - (self._information[self._look - 1] if self._look else 0.0)
        return bound * now**0.5, self._nodes + self._drift * added, added**0.5


@lru_cache(maxsize=64)
def _gauss_legendre(count: int) -> "tuple[np.ndarray, np.ndarray]":
    import numpy as np

    return np.polynomial.legendre.leggauss(count)
