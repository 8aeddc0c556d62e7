"""The table of pairs: the verdict on each, and the tests behind it."""

from normbench.analysis.compare.compare import Comparison
from normbench.analysis.compare.pairs import Pair
from normbench.present.tables.along import Along, axis_value
from normbench.present.tables.numbers import NOT_KNOWN, mean_and_interval, p_value
from normbench.present.tables.table import Cell, Table, Value

_LEAST_PAIRS = 6
"""Pairs of seeds; with six, the sign-flip test's p can be 2 / 2^6 = 0.03, with five not below 0.06."""


def pairs_table(comparison: Comparison) -> Table:
    """A row a pair: the first norm minus the second, test (or val) accuracy in points."""
    key = comparison.key
    at = key if key and not key.startswith("norm.") else None  # labels already have an option of the norm
    return Table(
        title=f"Is the difference in {comparison.split} accuracy real{f', at each {at}' if at else ''}?",
        columns=("Pair", "Verdict", "n", "Diff", "p", "Holm p", "Paired p", "Flip p", "P(A > B)"),
        rows=tuple(
            ((pair.a, f"- {pair.b}", *([f"at {axis_value(pair.by, at)}"] if at else [])), *_cells(pair))
            for pair in comparison.pairs
        ),
        records=tuple(_record(pair, comparison) for pair in comparison.pairs),
        notes=tuple(_notes(comparison)),
        num_text_columns=2,
        wraps=True,
    )


def _cells(pair: Pair) -> list[Cell]:
    test = pair.difference
    return [
        pair.verdict.text,
        f"{test.n_a}, {test.n_b}",
        mean_and_interval(test.difference, test.low, test.high, 1, 2, signed=True),
        p_value(test.p_value),
        p_value(pair.p_adjusted),
        p_value(pair.paired.p_value),
        NOT_KNOWN if pair.num_paired < 2 else p_value(pair.sign_flip.p_value),  # of one pair p is always 1
        _probability(pair.probability_better.value),
    ]


def _probability(value: float | None) -> str:
    if value is None:
        return NOT_KNOWN
    return "<0.01" if value < 0.01 else ">0.99" if value > 0.99 else f"{value:.2f}"


def _record(pair: Pair, comparison: Comparison) -> dict[str, Value]:
    """Accuracies are in points here, as `delta` and the verdict are."""
    test, paired, better = pair.difference, pair.paired, pair.probability_better
    return {
        "a": pair.a,
        "b": pair.b,
        **Along(comparison.key).record(pair.by),
        "verdict": pair.verdict.kind,
        "verdict_text": pair.verdict.text,
        "n_a": test.n_a,
        "n_b": test.n_b,
        "difference_points": test.difference,
        "difference_low": test.low,
        "difference_high": test.high,
        "welch_p": test.p_value,
        "welch_p_holm": pair.p_adjusted,
        "why_undefined": test.why_undefined,
        "num_paired": pair.num_paired,
        "paired_difference_points": paired.difference,
        "paired_low": paired.low,
        "paired_high": paired.high,
        "paired_t_p": paired.p_value,
        "why_no_paired_t": paired.why_undefined,
        "sign_flip_p": pair.sign_flip.p_value,
        "why_no_sign_flip": pair.sign_flip.why_undefined,
        "sign_flip_smallest_p": pair.sign_flip.smallest_p,
        "probability_a_above_b": better.value,
        "probability_low": better.low,
        "probability_high": better.high,
        "delta_points": comparison.delta,
        "confidence": comparison.confidence,
    }


def _notes(comparison: Comparison) -> list[str]:
    pairs = comparison.pairs
    num_tests = sum(pair.p_adjusted is not None for pair in pairs)
    if num_tests == 0:
        return []
    notes = [
        f"Diff: points of {comparison.split} accuracy, A minus B, {comparison.confidence:.0%} interval and p by "
        f"Welch's t test over seeds. Holm p, by which the verdict goes: p adjusted for {_tests(num_tests)}. --delta "
        f"{comparison.delta:g}: the points that matter."
    ]
    if any(pair.paired.p_value is not None for pair in pairs):
        few = any(1 < pair.num_paired < _LEAST_PAIRS for pair in pairs)
        notes.append(
            f"Beside the verdict, not in it: Paired p (t test) and Flip p (signs flipped) of the differences seed by "
            f"seed{_partly(comparison)}{'; of under six pairs Flip p cannot reach 0.05' if few else ''}. "
            "P(A > B): that a new run of A scores above a new one of B, taking both as normal."
        )
    if any(pair.verdict.kind == "undecided" for pair in pairs) and not comparison.decisions:
        notes.append(
            "Adding seeds because a pair is undecided and looking again raises false alarms, to 7 % in simulation; "
            "sweep --until-decided allows for its looks."
        )
    notes += _without_baseline(comparison)
    notes += _grouped(pairs, [pair.paired.why_undefined for pair in pairs], "No paired test")
    diverged = dict.fromkeys(row.label for row in comparison.rows if row.diverged_seeds and row.n)
    if diverged:
        notes.append(f"Differences are between runs that did not diverge; some of {', '.join(diverged)} did.")
    return notes


def _without_baseline(comparison: Comparison) -> list[str]:
    grid, baseline = comparison.grid, comparison.baseline
    if grid is None or grid.key.startswith("norm."):
        return []
    missing = [axis_value(value, grid.key) for value in grid.values if (baseline, value) not in grid.cells]
    return [f"No {baseline} to compare with at {grid.key} {', '.join(missing)}."] if missing else []


def _tests(count: int) -> str:
    return "one pair: itself" if count == 1 else f"{count} pairs looked at together"


def _partly(comparison: Comparison) -> str:
    """The number of paired seeds of each pair with unpaired ones."""
    partly = [
        f"{pair.a} - {pair.b} {pair.num_paired}"
        for pair in comparison.pairs
        if pair.paired.p_value is not None and pair.num_paired < max(pair.difference.n_a, pair.difference.n_b)
    ]
    return f" (pairs of seeds: {', '.join(partly)})" if partly else ""


def _grouped(pairs: tuple[Pair, ...], reasons: list[str | None], title: str) -> list[str]:
    """Each reason once, with the pairs that have it; without names if all pairs have it."""
    found: dict[str, list[str]] = {}
    for pair, reason in zip(pairs, reasons, strict=False):
        if reason:
            found.setdefault(reason, []).append(f"{pair.a} - {pair.b}")
    return [
        f"{title.capitalize()}: {reason}."
        if len(names) == len(pairs)
        else f"{title.capitalize()}, {', '.join(names)}: {reason}."
        for reason, names in found.items()
    ]
