"""What the runs say about a pair, as one sentence."""

from collections.abc import Sequence

from normbench.analysis.stats.pairs import Pair
from normbench.analysis.stats.verdict import MOST_TOLD, with_unit
from normbench.present.tables.numbers import number, p_value, percent
from normbench.text import plural

LEAST_DIGITS = 2
"""Decimals of a difference."""
MOST_POINTS = 100
"""An interval of points that goes beyond says nothing but that the runs are too few."""


def pair_sentence(
    pair: Pair, *, with_n: bool, unit: str = "points", runs: str = "seeds", digits: int = LEAST_DIGITS
) -> str:
    """`BN is 1.28 points above GN(4), 95% [1.06, 1.50], p < 0.001`: the arm with the greater mean first.

    `unit` is that of the values, empty if it is not known; `runs` is what n counts; `digits` are the fewest decimals.
    Raises ValueError for a pair without an interval.
    """
    difference, verdict = pair.decision or pair.difference, pair.verdict  # those of the look that decided
    found, low, high = difference.difference, verdict.low, verdict.high
    if found is None or low is None or high is None:
        raise ValueError(f"{pair.a} - {pair.b}: {verdict.kind} without an interval")
    first, second, counts = pair.a, pair.b, (difference.n_a, difference.n_b)
    if found < 0:
        found, low, high = -found, -high, -low
        first, second, counts = second, first, (difference.n_b, difference.n_a)
    delta = verdict.delta or 0.0
    digits = _digits((low, high), (0.0, -delta, delta), digits)
    interval = f"{percent(verdict.confidence or 0.0)} [{number(low, 1, digits)}, {number(high, 1, digits)}]"
    if verdict.kind == "equivalent":
        interval += f" inside ±{delta:g}"
    parts = [f"{first} is {with_unit(number(found, 1, digits), unit)} above {second}"]
    hopeless = unit == "points" and (low < -MOST_POINTS or high > MOST_POINTS)
    if verdict.kind == "undecided" and (min(counts) < 3 or hopeless):
        return f"{parts[0]}; n = {min(counts)} is too few"
    parts.append(interval)
    if verdict.kind != "equivalent" and verdict.p_value is not None:
        parts.append(_p(verdict.p_value))
    if verdict.kind == "real" and verdict.smaller:
        parts.append(f"but less than {delta:g}")
    if with_n:
        parts.append(f"n = {counts[0]}" if counts[0] == counts[1] else f"n = {counts[0]} and {counts[1]}")
    return ", ".join(parts) + _way_on(pair, with_unit(f"{delta:g}", unit), runs)


def _p(value: float) -> str:
    text = p_value(value)
    return f"p < {text[1:]}" if text.startswith("<") else f"p = {text}"


def _way_on(pair: Pair, delta: str, runs: str) -> str:
    verdict = pair.verdict
    if verdict.looks is not None:
        return f", after {plural(verdict.looks, 'look')}"
    if verdict.kind != "undecided":
        return ""
    if verdict.new_seeds is None or verdict.new_seeds > MOST_TOLD:
        return f"; a difference of {delta} is not decidable with these data"
    return f"; a new experiment of about {verdict.new_seeds} {runs} would tell {delta}"


def _digits(ends: Sequence[float], marks: Sequence[float], least: int) -> int:
    """Decimals with which no end is printed as a mark that it is not; at least `least`, at most four more."""
    for digits in range(least, least + 4):
        if not any(round(end, digits) == mark != end for end in ends for mark in marks):
            return digits
    return least + 4
