"""The verdicts of a sweep until decided: they hold for the runs that it looked at, and for no others."""

import math
from collections.abc import Sequence
from itertools import combinations

from normbench.analysis.compare.rows import NormRow
from normbench.analysis.stats.pairs import ALPHA, Pair, with_decision
from normbench.analysis.stats.sequential import PairDecision, decide
from normbench.runs.record import Record
from normbench.runs.sweep_records import DecidedPair, Decisions, LookedAt
from normbench.text import plural

ONE_LOOK = "the verdicts are those of one look at the runs, and do not allow for any look before"


def as_decided(
    pairs: Sequence[Pair], rows: Sequence[NormRow], decisions: Decisions, delta: float
) -> tuple[tuple[Pair, ...], str | None]:
    """The pairs with the verdicts of the sequential plan, computed again from the runs of `rows`, and None.

    The pairs as they are, and why, if these are not the runs that the sweep looked at, or not its question: a test of
    the last look alone ignores the looks before, and a plan says nothing about other runs.
    """
    why = _other_question(decisions, rows, delta) or _other_runs(decisions, rows)
    if why is None:
        found = _decide_again(decisions, pairs, rows)
        if found is not None and _agree(found, decisions.pairs):
            return tuple(
                with_decision(pair, found[frozenset((pair.a, pair.b))], len(found), decisions.delta) for pair in pairs
            ), None
        why = "its verdicts are not those that its runs give"
    return tuple(pairs), f"decisions.json, of the sweep until decided, is not used: {why}; {ONE_LOOK}"


def decided_notes(decisions: Decisions) -> list[str]:
    """By which rule the words are chosen."""
    looks = ", ".join(map(str, decisions.looks))
    return [
        f"Words and intervals allow for {plural(decisions.look + 1, 'look')} of those planned at {looks} seeds, to "
        f"decide within {decisions.delta:g} points; false alarms at most {decisions.alpha:.0%} over all pairs.",
        "A difference that stopped a sweep early lies too far from 0 on average.",
    ]


def _other_question(decisions: Decisions, rows: Sequence[NormRow], delta: float) -> str | None:
    """Why the plan does not answer what is asked here."""
    if decisions.experiment is None:
        return "it is of an older normbench, which did not write down the runs it looked at"
    if decisions.look < 0:
        return "no look was taken yet"
    if not math.isclose(decisions.delta, delta):
        return f"it decides within {decisions.delta:g} points, and --delta is {delta:g}"
    if not math.isclose(decisions.alpha, ALPHA):
        return f"it allows for {decisions.alpha:.3g} false alarms, and the other verdicts for {ALPHA:g}"
    labels = [row.label for row in rows]
    if sorted(labels) != sorted(decisions.norms):
        return f"it compares {', '.join(decisions.norms)}, and here are {', '.join(labels)}"
    return None


def _other_runs(decisions: Decisions, rows: Sequence[NormRow]) -> str | None:
    """How the runs differ from those that the sweep looked at."""
    shown = {run.record.run_id: run.record for row in rows for run in row.runs}
    looked_at = {run.run_id: run for run in decisions.runs}
    if missing := looked_at.keys() - shown.keys():
        return f"{plural(len(missing), 'run')} that it looked at {'is' if len(missing) == 1 else 'are'} not here"
    if more := shown.keys() - looked_at.keys():
        return f"it did not look at {plural(len(more), 'run')} of these"
    for name, record in shown.items():
        if record.experiment != decisions.experiment:
            return f"it is of the experiment {decisions.experiment}, and {name} of {record.experiment}"
        if (record.data.fingerprint, record.data.evaluated_on) != (decisions.fingerprint, decisions.evaluated_on):
            return f"{name} was evaluated on other images"
        if not _is_same(looked_at[name], record):
            return f"{name} has another result or another config than when it was looked at"
    return None


def _is_same(looked_at: LookedAt, record: Record) -> bool:
    accuracy = None if record.metrics is None else record.metrics.held_out.accuracy
    now = (record.label, record.seed, accuracy, record.config_digest)
    return now == (looked_at.norm, looked_at.seed, looked_at.accuracy, looked_at.config_digest)


def _decide_again(
    decisions: Decisions, pairs: Sequence[Pair], rows: Sequence[NormRow]
) -> dict[frozenset[str], PairDecision] | None:
    """The state of every pair of the plan, by its norms; None where the plan does not fit the runs."""
    accuracies = {
        row.label: {
            run.record.seed: None if run.record.metrics is None else 100 * run.record.metrics.held_out.accuracy
            for run in row.runs
        }
        for row in rows
    }
    values = {
        name: [of_norm[seed] for seed in decisions.seeds if seed in of_norm] for name, of_norm in accuracies.items()
    }
    shown = {frozenset((pair.a, pair.b)): (pair.a, pair.b) for pair in pairs}
    planned = [shown.get(frozenset(pair), (pair[1], pair[0])) for pair in combinations(decisions.norms, 2)]
    try:
        found = decide(values, planned, decisions.looks, decisions.look, decisions.delta, decisions.alpha)
    except ValueError:
        return None
    return {frozenset((each.a, each.b)): each for each in found}


def _agree(found: dict[frozenset[str], PairDecision], written: Sequence[DecidedPair]) -> bool:
    """Whether the file says what its runs say; a pair may be written the other way round."""
    by_norms = {frozenset((pair.a, pair.b)): pair for pair in written}
    return by_norms.keys() == found.keys() and all(
        (pair.kind, pair.look, pair.smaller) == (found[norms].kind, found[norms].look, found[norms].smaller)
        and {pair.n_a, pair.n_b} == {found[norms].n_a, found[norms].n_b}
        and _close(pair.nominal_alpha, found[norms].nominal_alpha)
        and _close(pair.difference, found[norms].difference if pair.a == found[norms].a else _minus(found[norms]))
        for norms, pair in by_norms.items()
    )


def _minus(found: PairDecision) -> float | None:
    return None if found.difference is None else -found.difference


def _close(a: float | None, b: float | None) -> bool:
    return a == b if a is None or b is None else math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-9)
