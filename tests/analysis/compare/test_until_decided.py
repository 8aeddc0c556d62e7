"""Verdicts of a sweep until decided: computed again from its own runs, refused to any other."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import asdict, replace
from itertools import combinations
from typing import Any

import pytest

from normbench.analysis.compare.compare import Comparison, Options
from normbench.analysis.compare.until_decided import as_decided
from normbench.analysis.stats.sequential import decide
from normbench.present.tables.answers import answers
from normbench.runs.record import Record
from normbench.runs.sweep_records import DecidedPair, Decisions, LookedAt
from tests.records import compare_records, make_diverged, make_record

ACCURACIES = {
    "bn": (0.801, 0.804, 0.800, 0.802, 0.806, 0.803),
    "gn": (0.8025, 0.802, 0.801, 0.804, 0.8035, 0.805),
    "ln": (0.7, 0.702, 0.701, 0.704, 0.703, 0.699),
}
SEEDS = tuple(range(6))
Records = list[dict[str, Any]]


def runs(norms: tuple[str, ...] = ("bn", "gn", "ln"), **changes: Any) -> Records:
    return [make_record(kind, seed, ACCURACIES[kind][seed], **changes) for seed in SEEDS for kind in norms]


def decisions_of(records: Records, look: int = 1, looks: tuple[int, ...] = (3, 6)) -> Decisions:
    """What the sweep writes down after a look at these runs."""
    found = [Record.model_validate(record) for record in records]
    norms = tuple(dict.fromkeys(record.label for record in found))
    accuracies = {
        name: [record.metrics and record.metrics.held_out.accuracy for record in found if record.label == name]
        for name in norms
    }
    values = {name: [value and 100 * value for value in of_norm] for name, of_norm in accuracies.items()}
    pairs = decide(values, [(b, a) for a, b in combinations(norms, 2)], looks, look, 0.5)
    return Decisions(
        norms=norms,
        seeds=SEEDS,
        looks=looks,
        delta=0.5,
        alpha=0.05,
        look=look,
        pairs=tuple(DecidedPair(**asdict(pair)) for pair in pairs),
        experiment="default",
        fingerprint=found[0].data.fingerprint,
        evaluated_on="test",
        runs=tuple(
            LookedAt(
                run_id=record.run_id,
                norm=record.label,
                seed=record.seed,
                accuracy=record.metrics and record.metrics.held_out.accuracy,
                config_digest=record.config_digest,
                look=0 if record.seed < 3 else 1,
            )
            for record in found
        ),
    )


def shown(records: Records, **options: Any) -> Comparison:
    return compare_records(records, Options(**{"all_pairs": True} | options))[0]


def test_the_verdicts_are_those_of_the_plan() -> None:
    comparison, decisions = shown(runs()), decisions_of(runs())
    pairs, why = as_decided(comparison.pairs, comparison.rows, decisions, 0.5)
    assert why is None
    assert [pair.verdict.text for pair in pairs] == [pair.text for pair in decisions.pairs]
    assert [pair.verdict.kind for pair in pairs] == ["equivalent", "real", "real"]
    close, far, _ = pairs
    assert (far.verdict.looks, far.decision.look, far.decision.n_a) == (1, 0, 3)  # decided at the first look
    assert far.verdict.confidence > 0.95
    assert (close.verdict.looks, close.verdict.smaller) == (2, True)


def test_pairs_may_be_fewer_or_the_other_way_round() -> None:
    comparison = shown(runs(), baseline="gn", all_pairs=False)
    pairs, why = as_decided(comparison.pairs, comparison.rows, decisions_of(runs()), 0.5)
    assert why is None
    assert [(pair.a, pair.b, pair.verdict.kind) for pair in pairs] == [
        ("BN", "GN(4)", "equivalent"),
        ("LN", "GN(4)", "real"),
    ]
    assert "BN - GN(4)" in pairs[0].verdict.text


def test_the_sentence_has_the_numbers_of_the_look_that_decided() -> None:
    comparison, decisions = shown(runs()), decisions_of(runs())
    pairs, _ = as_decided(comparison.pairs, comparison.rows, decisions, 0.5)
    _, far, _ = pairs
    assert far.decision.difference != pytest.approx(far.difference.difference)  # BN got three more runs afterwards
    sentence = answers(replace(comparison, pairs=pairs, decisions=decisions))[1].sentence
    assert f"{-far.decision.difference:.2f} points" in sentence


def test_what_cannot_be_decided_says_why() -> None:
    records = [make_diverged("gn", it["seed"]) if it["label"] == "GN(4)" else it for it in runs()]
    comparison = shown(records)
    pairs, why = as_decided(comparison.pairs, comparison.rows, decisions_of(records), 0.5)
    assert why is None
    assert (pairs[0].verdict.kind, pairs[0].verdict.low) == ("undefined", None)
    assert "all GN(4) runs diverged" in pairs[0].verdict.why


def test_a_diverged_run_is_part_of_the_plan() -> None:
    records = [make_diverged("gn", 1) if (it["label"], it["seed"]) == ("GN(4)", 1) else it for it in runs()]
    comparison = shown(records)
    pairs, why = as_decided(comparison.pairs, comparison.rows, decisions_of(records), 0.5)
    assert why is None
    assert "diverged" in pairs[0].verdict.text


def better(records: Records) -> Records:
    """One run was trained again with another result."""
    return [make_record("ln", 0, 0.71) if (it["label"], it["seed"]) == ("LN", 0) else it for it in records]


def finished(records: Records) -> Records:
    return [make_diverged("bn", 2) if (it["label"], it["seed"]) == ("BN", 2) else it for it in records]


OTHER_RUNS: dict[str, tuple[Callable[[Records], Records], str]] = {
    "trained again, another result": (better, "another result"),
    "trained again, diverged": (finished, "another result"),
    "--where seed=0 to 2": (lambda records: [it for it in records if it["seed"] < 3], "not here"),
    "without a norm": (lambda records: [it for it in records if it["label"] != "LN"], "it compares BN, GN"),
    "a run is lost": (lambda records: records[1:], "1 run that it looked at is not here"),
    "more seeds by hand": (lambda records: [*records, make_record("bn", 7)], "did not look at 1 run"),
    "another experiment's": (lambda _: runs(experiment="other"), "experiment"),
    "other epochs": (lambda _: runs(config__train__epochs=5), "another config"),
    "other names of runs": (lambda _: [it | {"run_id": f"{it['run_id']}x"} for it in runs()], "not here"),
    "other images": (lambda _: runs(data__fingerprint="cd" * 32), "other images"),
    "held-out images": (lambda _: runs(split="val"), "other images"),
}


@pytest.mark.parametrize(("change", "why"), OTHER_RUNS.values(), ids=OTHER_RUNS)
def test_other_runs_get_the_verdict_of_one_look(change: Callable[[Records], Records], why: str) -> None:
    comparison = shown(change(deepcopy(runs())))
    pairs, reason = as_decided(comparison.pairs, comparison.rows, decisions_of(runs()), 0.5)
    assert why in reason
    assert "one look" in reason
    assert pairs == comparison.pairs


def edited(**changes: Any) -> Decisions:
    return decisions_of(runs()).model_copy(update=changes)


def with_first_pair(**changes: Any) -> Decisions:
    first, *others = decisions_of(runs()).pairs
    return edited(pairs=(first.model_copy(update=changes), *others))


OTHER_PLANS: dict[str, tuple[Decisions, str]] = {
    "an older version's": (edited(experiment=None, runs=()), "older normbench"),
    "before the first look": (edited(look=-1, pairs=(), runs=()), "no look"),
    "another delta": (edited(delta=2.0), "within 2 points"),
    "more false alarms": (edited(alpha=0.2), "0.2 false alarms"),
    "another verdict": (with_first_pair(kind="real"), "not those that its runs give"),
    "another difference": (with_first_pair(difference=3.0), "not those that its runs give"),
    "a verdict is missing": (edited(pairs=()), "not those that its runs give"),
    "an earlier look": (edited(look=0), "not those that its runs give"),
    "other looks": (edited(looks=(2, 6)), "not those that its runs give"),
    "fewer looks": (edited(looks=(6,), look=0), "not those that its runs give"),
    "more seeds than there are": (edited(looks=(3, 12), seeds=tuple(range(12))), "not those that its runs give"),
}


@pytest.mark.parametrize(("decisions", "why"), OTHER_PLANS.values(), ids=OTHER_PLANS)
def test_another_plan_gets_the_verdict_of_one_look(decisions: Decisions, why: str) -> None:
    comparison = shown(runs())
    pairs, reason = as_decided(comparison.pairs, comparison.rows, decisions, 0.5)
    assert why in reason
    assert pairs == comparison.pairs


def test_another_delta_is_another_question() -> None:
    comparison = shown(runs(), delta=0.3)
    _, reason = as_decided(comparison.pairs, comparison.rows, decisions_of(runs()), 0.3)
    assert "--delta is 0.3" in reason
