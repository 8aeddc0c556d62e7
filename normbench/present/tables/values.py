"""Anybody's numbers: the arms with their means, the pairs with their words and tests."""

import math
import statistics

from normbench.analysis.stats.estimate import CONFIDENCE, mean_interval
from normbench.analysis.stats.pairs import Pair
from normbench.analysis.values.judge import Judged
from normbench.analysis.values.looks import Looked, planned
from normbench.analysis.values.read import Arm, Values
from normbench.present.tables.context import interval_note
from normbench.present.tables.numbers import estimate_record, number, percent, with_interval
from normbench.present.tables.pair_sentence import LEAST_DIGITS, pair_sentence
from normbench.present.tables.pairs import COLUMNS, DISPENSABLE, pair_cells, welch_notes
from normbench.present.tables.ranks import RANK, RANK_NOTE, rank_cell, rank_record, told_pairs, untold_note
from normbench.present.tables.table import Answer, Cell, Kind, Table, Value
from normbench.text import plural, printable


def arms_table(judged: Judged, looked: Looked | None = None) -> Table:
    """One row per arm: n, mean with its interval, std, least and greatest value; above it a sentence on each pair."""
    values, arms = judged.values, _in_order(judged)
    by = (values.by,) if values.by is not None else ()
    rank = (RANK,) if judged.ranks else ()
    return Table(
        title=_title(values),
        columns=("Arm", *map(printable, by), "n", *rank, "Mean", "Std", "Min", "Max"),
        rows=tuple(_row(arm, judged) for arm in arms),
        records=tuple(_record(arm, judged) for arm in arms),
        notes=tuple(_notes(judged, looked)),
        num_text_columns=1 + len(by),
        answers=tuple(_answer(pair, judged) for pair in _told_pairs(judged)),
        footer=(looked.next_step,) if looked else (),
        name="arms",
    )


def value_pairs_table(judged: Judged) -> Table:
    """One row per pair: the first arm minus the second."""
    return Table(
        title=f"Differences in {printable(judged.values.metric)}",
        columns=COLUMNS,
        rows=tuple((_name(pair, judged), *pair_cells(pair)) for pair in judged.pairs),
        records=tuple(_pair_record(pair, judged) for pair in judged.pairs),
        notes=(
            f"Diff: A minus B, with its own {percent(CONFIDENCE)} interval.",
            "Holm p: p adjusted for all pairs; at most 0.05 it is called real.",
            "Welch p: takes the runs of one seed as independent.",
            "Flip p: flips the signs of the differences seed by seed.",
            "P(A>B): that A is above B in a new run of each, taking both as normal.",
        ),
        num_text_columns=2,
        dispensable=DISPENSABLE,
        name="pairs",
    )


def _told_pairs(judged: Judged) -> list[Pair]:
    return told_pairs(judged.pairs, judged.baseline, is_ranked=bool(judged.ranks))


def _in_order(judged: Judged) -> list[Arm]:
    """A ranking begins with the highest mean."""
    arms = list(judged.values.arms)
    if not judged.ranks or judged.values.by is not None:
        return arms
    return sorted(arms, key=lambda arm: -statistics.fmean(arm.finished.values()) if arm.finished else math.inf)


def _title(values: Values) -> str:
    arms = plural(len({arm.name for arm in values.arms}), "arm")
    at = f" at {plural(len({arm.by for arm in values.arms}), 'value')} of {values.by}" if values.by is not None else ""
    return printable(f"{values.metric} of {arms}{at}")


def _row(arm: Arm, judged: Judged) -> tuple[Cell, ...]:
    found = list(arm.finished.values())
    estimate, digits = mean_interval(found), _digits(judged)
    failed = len(arm.values) - len(found)
    count: Cell = (str(len(found)), f"+{failed}", "failed") if failed else str(len(found))
    return (
        printable(arm.name),
        *([printable(arm.by)] if judged.values.by is not None else []),
        count,
        *([rank_cell(judged.ranks.get((arm.name, arm.by)))] if judged.ranks else []),
        with_interval(estimate, 1, digits),
        number(estimate.std, 1, digits),
        number(min(found, default=None), 1, digits),
        number(max(found, default=None), 1, digits),
    )


def _digits(judged: Judged) -> int:
    """Decimals: one more than delta has, as what is smaller does not matter."""
    text = f"{judged.delta:.10f}".rstrip("0")
    return min(8, len(text.partition(".")[2]) + 1)


def _answer(pair: Pair, judged: Judged) -> Answer:
    word: Kind = "no verdict" if pair.verdict.kind == "undefined" else pair.verdict.kind
    at = f"{printable(judged.values.by)} {printable(pair.by)}: " if pair.by is not None else ""
    if word == "no verdict":
        return Answer(word, printable(f"{at}{pair.a} and {pair.b}: {pair.verdict.why}"))
    runs = "seeds" if judged.values.has_seeds else "runs"
    digits = max(LEAST_DIGITS, _digits(judged))
    return Answer(word, printable(at + pair_sentence(pair, with_n=True, unit=judged.unit, runs=runs, digits=digits)))


def _notes(judged: Judged, looked: Looked | None) -> list[str]:
    tested = [pair for pair in judged.pairs if pair.p_adjusted is not None]
    notes = interval_note({len(arm.finished) for arm in judged.values.arms}, CONFIDENCE)
    if judged.ranks:
        notes = [" ".join([*notes, RANK_NOTE])]  # one note, as a caption takes the first
    if looked:
        notes.append(f"Words and intervals allow for {planned(looked.plan)}; false alarms at most 5% over all pairs.")
    elif tested:
        tests = " or ".join(dict.fromkeys(pair.difference.test for pair in tested))
        adjusted = f", adjusted for {len(tested)} pairs (Holm)" if len(tested) > 1 else ""
        notes.append(
            f"p: {tests} test{adjusted}. real: p at most 0.05; equivalent: less than {judged.delta:g} apart (--delta)."
        )
    if not judged.values.has_seeds and not looked:
        notes.append("There is no column of seeds: runs are taken as independent.")
    notes += untold_note(len(judged.pairs) - len(_told_pairs(judged)), "verdict")
    notes += welch_notes({_name(pair, judged): pair for pair in judged.pairs})
    if any(pair.verdict.kind == "undecided" for pair in judged.pairs) and not looked:
        notes.append(
            "Undecided: adding runs and looking again finds differences that are not there; --sequential plans the "
            "looks ahead."
        )
    return notes


def _name(pair: Pair, judged: Judged) -> str:
    at = f" at {pair.by}" if judged.values.by is not None else ""
    return printable(f"{pair.a} - {pair.b}{at}")


def _record(arm: Arm, judged: Judged) -> dict[str, Value]:
    found = list(arm.finished.values())
    by: dict[str, Value] = {judged.values.by: arm.by} if judged.values.by is not None else {}
    return {
        "arm": arm.name,
        **by,
        "n": len(found),
        "failed": len(arm.values) - len(found),
        **(rank_record(judged.ranks.get((arm.name, arm.by))) if judged.ranks else {}),
        **estimate_record("mean", mean_interval(found)),
        "min": min(found, default=None),
        "max": max(found, default=None),
        "confidence": CONFIDENCE,
    }


def _pair_record(pair: Pair, judged: Judged) -> dict[str, Value]:
    test, verdict = pair.difference, pair.verdict
    by: dict[str, Value] = {judged.values.by: pair.by} if judged.values.by is not None else {}
    return {
        "a": pair.a,
        "b": pair.b,
        **by,
        "verdict": verdict.kind,
        "verdict_text": verdict.text,
        "verdict_low": verdict.low,
        "verdict_high": verdict.high,
        "verdict_confidence": verdict.confidence,
        "smaller_than_delta": verdict.smaller,
        "new_runs": verdict.new_seeds,
        "looks_taken": verdict.looks,
        "n_a": test.n_a,
        "n_b": test.n_b,
        "difference": test.difference,
        "difference_low": test.low,
        "difference_high": test.high,
        "test": test.test,
        "p": test.p_value,
        "p_holm": pair.p_adjusted,
        "equivalence_p_holm": pair.equivalence_p_adjusted,
        "num_paired": pair.num_paired,
        "seed_correlation": pair.seed_correlation,
        "welch_p": pair.welch.p_value,
        "welch_p_holm": pair.welch_p_adjusted,
        "why_undefined": test.why_undefined,
        "probability_a_above_b": pair.probability_better.value,
        "delta": judged.delta,
        "confidence": CONFIDENCE,
    }
