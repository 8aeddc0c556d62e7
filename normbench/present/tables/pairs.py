"""The table of pairs: the verdict on each, and the tests behind it."""

from normbench.analysis.compare.compare import Comparison
from normbench.analysis.compare.facts import show_value
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
        columns=("Pair", "Verdict", "n", "Diff", "p", "Holm p", "Welch p", "Flip p", "P(A > B)"),
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
        p_value(pair.welch.p_value),
        NOT_KNOWN if pair.num_paired < 2 else p_value(pair.sign_flip.p_value),  # of one pair p is always 1
        _probability(pair.probability_better.value),
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
    pairs = comparison.pairs
    num_tests = sum(pair.p_adjusted is not None for pair in pairs)
    if num_tests == 0:
        return []
    tests = dict.fromkeys(pair.difference.test for pair in pairs if pair.p_adjusted is not None)
    notes = [
        f"Diff: points of {comparison.split} accuracy, A minus B, with this pair's own {comparison.confidence:.0%} "
        f"interval and p, by the {' or the '.join(tests)} test over seeds{_partly(comparison)}. Holm p: p adjusted for "
        f"{_tests(num_tests)}. --delta {comparison.delta:g}: the points that matter."
    ]
    if not comparison.decisions:
        notes.append(_confidence_note(pairs))
    notes.append(
        "Beside the verdict, not in it: Welch p takes the runs of one seed as independent; Flip p flips the signs of "
        f"the differences seed by seed{_flips(pairs)}. P(A > B): that A scores above B in a new run of each, "
        "taking both as normal."
    )
    notes += _correlation_notes(pairs)
    if any(pair.verdict.kind == "undecided" for pair in pairs) and not comparison.decisions:
        notes.append(
            "Adding seeds because a pair is undecided and looking again raises false alarms, and so does "
            "--until-decided on seeds that were looked at. Begin a new experiment with new seeds: "
            "sweep --until-decided --set name=NEW "
            f"--set 'seeds=[{_next_seed(comparison)}]'."
        )
    notes += _without_baseline(comparison)
    notes += _grouped(pairs, [pair.paired.why_undefined for pair in pairs], "No paired test")
    diverged = dict.fromkeys(row.label for row in comparison.rows if row.diverged_seeds and row.n)
    if diverged:
        notes.append(f"Differences are between runs that did not diverge; some of {', '.join(diverged)} did.")
    return notes


def _confidence_note(pairs: tuple[Pair, ...]) -> str:
    """The interval in a verdict is not the one in the column Diff."""
    found = {pair.verdict.kind: pair.verdict.confidence for pair in pairs if pair.verdict.confidence}
    told = ", ".join(f"{100 * confidence:.3g} % for {kind}" for kind, confidence in found.items())
    return (
        f"Brackets in a verdict: the interval that decided, {told}: that of Holm's step, which keeps a wrong word on "
        "any pair at 5 %. Each interval is that of its own pair."
    )


def _flips(pairs: tuple[Pair, ...]) -> str:
    few = any(1 < pair.num_paired < _LEAST_PAIRS for pair in pairs)
    return ", and of under six pairs cannot reach 0.05" if few else ""


def _correlation_notes(pairs: tuple[Pair, ...]) -> list[str]:
    """How much the seed matters to both norms alike, and where that decides."""
    found = [f"{pair.a} - {pair.b} {pair.seed_correlation:+.2f}" for pair in pairs if pair.seed_correlation is not None]
    notes = [f"Correlation of the accuracies by seed: {', '.join(found)}."] if found else []
    notes += [
        f"{_name(pair)}: Welch's test says otherwise (Holm p {p_value(pair.welch_p_adjusted)}); it takes runs as "
        "independent, and runs of one seed are not: trust the test that pairs them."
        for pair in pairs
        if pair.disagrees
    ]
    return notes


def _name(pair: Pair) -> str:
    return f"{pair.a} - {pair.b}" if pair.by is None else f"{pair.a} - {pair.b} at {show_value(pair.by)}"


def _next_seed(comparison: Comparison) -> int:
    return max(run.record.seed for row in comparison.rows for run in row.runs) + 1


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
        f"{_name(pair)} {pair.num_paired}" for pair in comparison.pairs if pair.difference.test == "partly paired t"
    ]
    return f" (pairs of seeds: {', '.join(partly)})" if partly else ""


def _grouped(pairs: tuple[Pair, ...], reasons: list[str | None], title: str) -> list[str]:
    """Each reason once, with the pairs that have it; without names if all pairs have it."""
    found: dict[str, list[str]] = {}
    for pair, reason in zip(pairs, reasons, strict=False):
        if reason:
            found.setdefault(reason, []).append(_name(pair))
    return [
        f"{title.capitalize()}: {reason}."
        if len(names) == len(pairs)
        else f"{title.capitalize()}, {', '.join(names)}: {reason}."
        for reason, names in found.items()
    ]
