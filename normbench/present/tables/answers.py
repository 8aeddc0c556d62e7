"""What a comparison answers: one sentence for each pair of norms, and how to read it."""

from collections.abc import Sequence

from normbench.analysis.compare.compare import Comparison
from normbench.analysis.compare.until_decided import decided_notes
from normbench.analysis.compare.words import in_words, name_in_words
from normbench.analysis.stats.pairs import Pair
from normbench.analysis.stats.verdict import MOST_TOLD
from normbench.present.tables.along import axis_value
from normbench.present.tables.numbers import number, p_value, percent
from normbench.present.tables.pairs import pair_name, place_key
from normbench.present.tables.table import Answer, Kind
from normbench.text import plural

MOST_POINTS = 100
"""An interval that goes beyond says nothing but that the runs are too few."""

USUAL_TEST_SIZE = 10_000
"""Images of CIFAR-10's test set."""


def answers(comparison: Comparison) -> tuple[Answer, ...]:
    """One for each pair that has a verdict, then one for each reason why others have none."""
    told = [pair for pair in comparison.pairs if pair.verdict.kind != "undefined"]
    untold: dict[str, list[Pair]] = {}
    for pair in comparison.pairs:
        if pair.verdict.kind == "undefined":
            untold.setdefault(f"{pair.verdict.why}", []).append(pair)
    reasons = dict.fromkeys(_why_none(pairs, why, comparison) for why, pairs in untold.items())
    return (
        *(_answer(pair, comparison) for pair in told),
        *(Answer("no verdict", reason) for reason in reasons),
    )


def answer_notes(comparison: Comparison) -> list[str]:
    """By which rule the words are chosen, where they may mislead, and how to go on where a pair is undecided."""
    pairs, at = comparison.pairs, place_key(comparison)
    kinds = {pair.verdict.kind for pair in pairs}
    if kinds <= {"undefined"}:
        return _without_baseline(comparison)
    notes = decided_notes(comparison.decisions) if comparison.decisions else [_rule(comparison)]
    notes += [
        f"{pair_name(pair, at)}: Welch's test says otherwise (Holm p {p_value(pair.welch_p_adjusted)}), but takes runs "
        "of one seed as independent: trust the test that pairs them."
        for pair in pairs
        if pair.disagrees
    ]
    if "undecided" in kinds and not comparison.decisions:
        notes.append(
            "Undecided: adding seeds here and looking again finds differences that are not there. Begin anew: "
            f"sweep --until-decided --set name=NEW --set 'seeds=[{_next_seed(comparison)}]'."
        )
    if diverged := dict.fromkeys(row.label for row in comparison.rows if row.diverged_seeds and row.n):
        notes.append(f"Differences are between runs that did not diverge; some of {', '.join(diverged)} did.")
    return notes + _without_baseline(comparison)


def _rule(comparison: Comparison) -> str:
    tested = [pair for pair in comparison.pairs if pair.p_adjusted is not None]
    tests = " or ".join(dict.fromkeys(pair.difference.test for pair in tested))
    adjusted = f", adjusted for {len(tested)} pairs (Holm)" if len(tested) > 1 else ""
    return (
        f"p: {tests} test over seeds{adjusted}. real: p at most 0.05; equivalent: less than {comparison.delta:g} "
        "points apart (--delta)."
    )


def _without_baseline(comparison: Comparison) -> list[str]:
    grid, baseline = comparison.grid, comparison.baseline
    if grid is None or place_key(comparison) is None:
        return []
    missing = [axis_value(value, grid.key) for value in grid.values if (baseline, value) not in grid.cells]
    return [f"No {baseline} to compare with at {name_in_words(grid.key)} {', '.join(missing)}."] if missing else []


def _answer(pair: Pair, comparison: Comparison) -> Answer:
    key = place_key(comparison)
    at = f"{in_words(key, [axis_value(pair.by, key)])}: " if key else ""
    same_n = len({row.n for row in comparison.rows}) == 1  # then the title says it
    word: Kind = "no verdict" if pair.verdict.kind == "undefined" else pair.verdict.kind
    return Answer(word, f"{at}{_sentence(pair, with_n=not same_n)}")


def _sentence(pair: Pair, *, with_n: bool) -> str:
    """`BN is 1.28 points above GN(4), 95% [1.06, 1.50], p < 0.001`: the better norm first."""
    difference, verdict = pair.decision or pair.difference, pair.verdict  # those of the look that decided
    found, low, high = difference.difference, verdict.low, verdict.high
    if found is None or low is None or high is None:
        raise ValueError(f"{pair.a} - {pair.b}: {verdict.kind} without an interval")
    first, second, counts = pair.a, pair.b, (difference.n_a, difference.n_b)
    if found < 0:
        found, low, high = -found, -high, -low
        first, second, counts = second, first, (difference.n_b, difference.n_a)
    delta = verdict.delta or 0.0
    digits = _digits((low, high), (0.0, -delta, delta))
    interval = f"{percent(verdict.confidence or 0.0)} [{number(low, 1, digits)}, {number(high, 1, digits)}]"
    if verdict.kind == "equivalent":
        interval += f" inside ±{delta:g}"
    parts = [f"{first} is {number(found, 1, digits)} points above {second}"]
    if verdict.kind == "undecided" and (min(counts) < 3 or low < -MOST_POINTS or high > MOST_POINTS):
        return f"{parts[0]}; n = {min(counts)} is too few"
    parts.append(interval)
    if verdict.kind != "equivalent" and verdict.p_value is not None:
        parts.append(_p(verdict.p_value))
    if verdict.kind == "real" and verdict.smaller:
        parts.append(f"but less than {delta:g}")
    if with_n:
        parts.append(f"n = {counts[0]}" if counts[0] == counts[1] else f"n = {counts[0]} and {counts[1]}")
    return ", ".join(parts) + _way_on(pair, delta)


def _p(value: float) -> str:
    text = p_value(value)
    return f"p < {text[1:]}" if text.startswith("<") else f"p = {text}"


def _way_on(pair: Pair, delta: float) -> str:
    verdict = pair.verdict
    if verdict.looks is not None:
        return f", after {plural(verdict.looks, 'look')}"
    if verdict.kind != "undecided":
        return ""
    if verdict.new_seeds is None or verdict.new_seeds > MOST_TOLD:
        return f"; {delta:g} points are not decidable with these data"
    return f"; a new experiment of about {verdict.new_seeds} seeds would tell {delta:g} points"


def _why_none(pairs: Sequence[Pair], why: str, comparison: Comparison) -> str:
    """Of single runs how far they differ by chance, of others the reason, for one pair or several."""
    if all(row.n <= 1 for row in comparison.rows) and any(row.n for row in comparison.rows):
        chance = "about 0.7 points apart by chance"
        if comparison.num_eval < USUAL_TEST_SIZE:
            chance = f"several points apart by chance, on {comparison.num_eval:,} images"
        return f"n = 1: two runs of one norm are {chance}; train more seeds"
    first = pairs[0]
    return f"{first.a} and {first.b}: {why}" if len(pairs) == 1 else f"{len(pairs)} pairs: {why}"


def _next_seed(comparison: Comparison) -> int:
    return max(run.record.seed for row in comparison.rows for run in row.runs) + 1


def _digits(ends: Sequence[float], marks: Sequence[float]) -> int:
    """Decimals, two or more, with which no end is printed as a mark that it is not."""
    for digits in range(2, 6):
        if not any(round(end, digits) == mark != end for end in ends for mark in marks):
            return digits
    return 6
