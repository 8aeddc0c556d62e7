"""The verdict on a pair of norms, in words."""

import math
from dataclasses import dataclass
from typing import Literal

from normbench.analysis.stats.difference import Difference
from normbench.analysis.stats.power import MOST_SEEDS, more_seeds
from normbench.text import plural

_GUESS = 3  # more runs than two, after which the spread is known well enough to plan

Kind = Literal["real", "equivalent", "undecided", "undefined"]


@dataclass(frozen=True)
class Verdict:
    kind: Kind
    text: str


def verdict(
    name_a: str,
    name_b: str,
    difference: Difference,
    p_adjusted: float | None,
    delta: float,
    alpha: float = 0.05,
    *,
    num_pairs: int = 1,
    unit: str = "points",
) -> Verdict:
    """What the runs say about a − b, in the unit of the values, which `delta` shares (accuracies: 100 · fraction).

    `real`: p_adjusted <= alpha, p_adjusted being Welch's p after Holm over the `num_pairs` pairs that are tested
    together. The interval beside it, 1 − alpha, is this pair's own. A real difference whose 1 − 2 · alpha interval
    lies inside ±delta is also smaller than delta, and the text says both.

    `equivalent`: not real, and the 1 − 2 · alpha interval lies inside ±delta: two one-sided tests, Schuirmann (1987),
    J. Pharmacokinet. Biopharm. 15. Its chance of being wrong is alpha for each pair, not for all of them.

    `undecided`: neither. The text says how many more runs of each norm would find a true difference of delta 9 times
    in 10 at alpha / num_pairs (`more_seeds`), and notes where p is small before the adjustment only.

    `undefined`: no interval, so no verdict; the text says why.

    Raises ValueError for a delta <= 0, an alpha outside (0, 0.5), or a p_adjusted below the pair's own p.
    """
    if not 0 < delta < math.inf:
        raise ValueError(f"delta must be above 0, not {delta}")
    if not 0 < alpha < 0.5:
        raise ValueError(f"alpha must be between 0 and 0.5, not {alpha}")
    inner, outer = difference.interval(1 - 2 * alpha), difference.interval(1 - alpha)
    if p_adjusted is None or difference.p_value is None or inner is None or outer is None:
        return Verdict("undefined", f"undefined: {difference.why_undefined or 'no p-value'}")
    if p_adjusted < difference.p_value:
        raise ValueError(f"adjusted, p cannot fall: {difference.p_value} to {p_adjusted}")
    smaller = -delta < inner[0] and inner[1] < delta
    if p_adjusted <= alpha:
        found = relation(name_a, name_b, outer, unit)
        return Verdict("real", f"real, but smaller than {delta:g}: {found}" if smaller else f"real: {found}")
    if smaller:
        return Verdict(
            "equivalent", f"equivalent within {with_unit(f'{delta:g}', unit)}: {between(name_a, name_b, inner, delta)}"
        )
    way_on = _way_on(difference, delta, alpha, num_pairs, unit)
    why = _only_holm(outer, p_adjusted, alpha, num_pairs) if difference.p_value <= alpha else ""
    return Verdict("undecided", f"undecided: {why}{way_on}")


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


def _only_holm(outer: tuple[float, float], p_adjusted: float, alpha: float, num_pairs: int) -> str:
    over = f"over {num_pairs} pairs" if num_pairs > 1 else "over all pairs"
    return f"{brackets(outer)} leaves out 0, but {over} p is {_p_above(p_adjusted, alpha)} (Holm); "


def _p_above(p_value: float, alpha: float) -> str:
    """p with two significant digits, or more if two would print it as alpha or less."""
    texts = (f"{p_value:.{digits}g}" for digits in range(2, 17))
    return next((text for text in texts if float(text) > alpha), f"{p_value}")


def _way_on(difference: Difference, delta: float, alpha: float, num_pairs: int, unit: str) -> str:
    more = more_seeds(difference, delta, alpha / num_pairs)
    told = with_unit(f"{delta:g}", unit)
    if more is None:
        return f"more than {MOST_SEEDS:,} seeds a norm would be needed to tell {told}"
    if more > _GUESS and min(difference.n_a, difference.n_b) < 3:  # one degree of freedom: the count would be a guess
        return f"from n = 2 nobody can say how many seeds would tell {told}; {_GUESS} more will show"
    if more:
        return f"about {plural(more, 'more seed')} would tell {told}"
    return f"so many seeds mostly tell {told} from 0, but here it could be either; more would narrow it"


def _digits(low: float, high: float, mark: float = 0.0) -> int:
    """Decimals for an interval: half of its width has two units; no end near 0 or `mark` is printed as that value."""
    half = (high - low) / 2
    digits = max(1, math.ceil(-math.log10(half / 2))) if half > 0 else 1
    for end in (abs(low), abs(high)):
        while digits < 6 and any(end != other and float(f"{end:.{digits}f}") == other for other in (0.0, mark)):
            digits += 1
    return digits
