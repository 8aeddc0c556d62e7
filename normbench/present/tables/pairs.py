"""The table of pairs: the difference of each, and the tests of it."""

from collections.abc import Mapping

from normbench.analysis.compare.compare import Comparison
from normbench.analysis.compare.words import name_in_words
from normbench.analysis.stats.pairs import Pair
from normbench.present.tables.along import Along, axis_value
from normbench.present.tables.numbers import mean_and_interval, p_value, percent
from normbench.present.tables.table import NOT_KNOWN, Cell, Table, Value
from normbench.text import listed

COLUMNS = ("Pair", "Verdict", "n", "Diff", "p", "Holm p", "Welch p", "Flip p", "P(A>B)")
DISPENSABLE = ("P(A>B)", "Flip p", "Welch p", "p")
_LEAST_PAIRS = 6
"""Pairs of seeds; with six, the sign-flip test's p can be 2 / 2^6 = 0.03, with five not below 0.06."""


def pairs_table(comparison: Comparison) -> Table:
    """One row per pair: the first norm minus the second, test (or val) accuracy in points."""
    at = place_key(comparison)
    return Table(
        title=f"Differences in {comparison.split} accuracy{f', at each {name_in_words(at)}' if at else ''}",
        columns=COLUMNS,
        rows=tuple((pair_name(pair, at), *pair_cells(pair)) for pair in comparison.pairs),
        records=tuple(_record(pair, comparison) for pair in comparison.pairs),
        notes=tuple(_notes(comparison)),
        num_text_columns=2,
        dispensable=DISPENSABLE,
    )


def place_key(comparison: Comparison) -> str | None:
    """The key whose value tells a pair from others; labels have an option of the norm already."""
    key = comparison.key
    return None if key is None or key.startswith("norm.") else key


def pair_name(pair: Pair, at: str | None) -> str:
    """`GN(4) - BN`, or `GN(4) - BN at 8` along the key `at`."""
    return f"{pair.a} - {pair.b}" + (f" at {axis_value(pair.by, at)}" if at else "")


def pair_cells(pair: Pair) -> list[Cell]:
    """The cells of COLUMNS after the first."""
    test = pair.difference
    return [
        "no verdict" if pair.verdict.kind == "undefined" else pair.verdict.kind,
        f"{test.n_a}, {test.n_b}",
        mean_and_interval(test.difference, test.low, test.high, 1, 2, signed=True),
        p_value(test.p_value),
        p_value(pair.p_adjusted),
        p_value(pair.welch.p_value),
        NOT_KNOWN if pair.num_paired < 2 else p_value(pair.sign_flip.p_value),  # of one pair p is always 1
        _probability(pair.probability_better.value),
    ]


def welch_notes(pairs: Mapping[str, Pair]) -> list[str]:
    """One on the pairs, by name, on which Welch's test comes to another result."""
    found = [f"{name} (Holm p {p_value(pair.welch_p_adjusted)})" for name, pair in pairs.items() if pair.disagrees]
    if not found:
        return []
    return [
        f"Welch's test says otherwise on {listed(found)}, but takes runs of one seed as independent: trust the test "
        "that pairs them."
    ]


def _probability(value: float | None) -> str:
    if value is None:
        return NOT_KNOWN
    return "<0.01" if value < 0.01 else ">0.99" if value > 0.99 else f"{value:.2f}"


def _record(pair: Pair, comparison: Comparison) -> dict[str, Value]:
    """Accuracies are in points here, as `delta` and the verdict are."""
    test, paired, better, verdict = pair.difference, pair.paired, pair.probability_better, pair.verdict
    low, high = pair.simultaneous or (None, None)
    return {
        "a": pair.a,
        "b": pair.b,
        **Along(comparison.key).record(pair.by),
        "verdict": verdict.kind,
        "verdict_text": verdict.text,
        "verdict_low": verdict.low,
        "verdict_high": verdict.high,
        "verdict_confidence": verdict.confidence,
        "smaller_than_delta": verdict.smaller,
        "new_seeds": verdict.new_seeds,
        "n_a": test.n_a,
        "n_b": test.n_b,
        "difference_points": test.difference,
        "difference_low": test.low,
        "difference_high": test.high,
        "simultaneous_low": low,
        "simultaneous_high": high,
        "test": test.test,
        "p": test.p_value,
        "p_holm": pair.p_adjusted,
        "equivalence_p_holm": pair.equivalence_p_adjusted,
        "seed_correlation": pair.seed_correlation,
        "welch_p": pair.welch.p_value,
        "welch_p_holm": pair.welch_p_adjusted,
        "welch_disagrees": pair.disagrees,
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
        **_decision(pair),
        "delta_points": comparison.delta,
        "confidence": comparison.confidence,
    }


def _decision(pair: Pair) -> dict[str, Value]:
    """What a sweep until decided knows of the look that decided; None in a comparison that looks once."""
    if (found := pair.decision) is None:
        return {"looks_taken": None, "nominal_alpha": None, "difference_at_stop_points": None}
    return {
        "looks_taken": found.look + 1,
        "nominal_alpha": found.nominal_alpha,
        "difference_at_stop_points": found.difference,
    }


def _notes(comparison: Comparison) -> list[str]:
    """One on each column, then what they cannot say here."""
    pairs, at = comparison.pairs, place_key(comparison)
    correlated = [(pair, pair.seed_correlation) for pair in pairs if pair.seed_correlation is not None]
    tested = [pair for pair in pairs if pair.p_adjusted is not None]
    if not tested:
        return []
    tests = " or the ".join(dict.fromkeys(pair.difference.test for pair in tested))
    notes = [
        f"Diff, p: points of {comparison.split} accuracy, A minus B, with its own {percent(comparison.confidence)} "
        f"interval, by the {tests} test over seeds.",
        "Holm p: p adjusted for all pairs of the table; at most 0.05 it is called real.",
        "Welch p: takes the runs of one seed as independent.",
        f"Flip p: flips the signs of the differences seed by seed{_flips(pairs)}.",
        "P(A>B): that A scores above B in a new run of each, taking both as normal.",
    ]
    partly = [f"{pair_name(pair, at)} {pair.num_paired}" for pair in pairs if pair.difference.test == "partly paired t"]
    if partly:
        notes.append(f"Seeds that both norms finished (pairs of seeds: {', '.join(partly)}).")
    if not comparison.decisions:
        notes.append(_confidence_note(pairs))
    if correlated:
        found = ", ".join(f"{pair_name(pair, at)} {correlation:+.2f}" for pair, correlation in correlated)
        notes.append(f"Correlation of the accuracies by seed: {found}.")
    return notes + _unpaired(pairs, at)


def _confidence_note(pairs: tuple[Pair, ...]) -> str:
    """The interval beside a word is not always the one in the column Diff."""
    found = {pair.verdict.kind: pair.verdict.confidence for pair in pairs if pair.verdict.confidence}
    told = ", ".join(f"{percent(confidence)} for {kind}" for kind, confidence in found.items())
    return (
        f"The interval in a sentence is the one that decided, {told}: that of Holm's step, which keeps a wrong word on "
        "any pair at 5%. Each interval is that of its own pair."
    )


def _flips(pairs: tuple[Pair, ...]) -> str:
    few = any(1 < pair.num_paired < _LEAST_PAIRS for pair in pairs)
    return "; of under six pairs it cannot reach 0.05" if few else ""


def _unpaired(pairs: tuple[Pair, ...], at: str | None) -> list[str]:
    """Why there is no paired test: each reason once, with the pairs that have it, or for all."""
    found: dict[str, list[str]] = {}
    for pair in pairs:
        if pair.paired.why_undefined:
            found.setdefault(pair.paired.why_undefined, []).append(pair_name(pair, at))
    return [
        f"{', '.join(['No paired test', *([] if len(names) == len(pairs) else names)])}: {reason}."
        for reason, names in found.items()
    ]
