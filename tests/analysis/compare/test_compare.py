"""From runs to a comparison: what is averaged, what may differ, what is noted."""

import pytest

from tests.records import compare_records, make_diverged, make_record


def test_a_row_a_norm_in_the_usual_order() -> None:
    many_groups = make_record("gn", label="GN(16)", config__norm={"kind": "gn", "num_groups": 16})
    records = [make_record(kind) for kind in ("zz", "none", "ln", "gn", "in", "bn")]
    comparison, notes = compare_records([many_groups, *records])
    assert [row.label for row in comparison.rows] == ["BN", "GN(4)", "GN(16)", "LN", "IN", "ZZ", "none"]
    assert notes == []


def test_val_runs_are_compared_as_val() -> None:
    comparison, _ = compare_records([make_record("bn", split="val")])
    assert comparison.split == "val"
    assert "val_accuracy" in comparison.rows[0].metrics


@pytest.mark.parametrize(
    "changes",
    [
        {"experiment": "copy"},
        {"config__data__dir": "/elsewhere"},
        {"config__data__urls": ["https://example.org/a"]},
        {"config__budget": {"max_parameters": None, "max_epochs": None}},
        {"config__train__precision": "bf16"},
    ],
)
def test_what_does_not_change_the_training_may_differ(changes: dict) -> None:
    comparison, notes = compare_records([make_record("bn", 0), make_record("gn", 0, **changes)])
    assert len(comparison.rows) == 2
    assert notes == []
    assert comparison.differs == ()


def test_a_diverged_run_is_counted_and_not_averaged() -> None:
    comparison, notes = compare_records([make_record("bn", 0, 0.8), make_diverged("bn", 1), make_diverged("gn", 0)])
    bn, gn = comparison.rows
    assert (bn.n, bn.diverged_seeds, bn.metrics["test_accuracy"].mean) == (1, (1,), 0.8)
    assert (gn.n, gn.diverged_seeds, gn.metrics["test_accuracy"].mean) == (0, (0,), None)
    assert notes[0] == "diverged: BN seed 1 in epoch 3, loss nan; counted, not averaged"


def test_of_two_equal_runs_the_newest_counts_and_is_named() -> None:
    old = make_record("bn", 0, 0.5, finished_at="2026-01-01T00:00:00+00:00")
    new = make_record("bn", 0, 0.8, finished_at="2026-01-01T01:00:00+02:00", experiment="copy")
    newest = make_record("bn", 0, 0.9, finished_at="2026-01-01T00:00:01+00:00", precision="fp32")
    comparison, notes = compare_records([old, newest, new])
    assert (comparison.rows[0].n, comparison.rows[0].metrics["test_accuracy"].mean) == (1, 0.9)
    (note,) = notes
    assert note.startswith("duplicates: BN seed 0 was run 3 times (")
    assert "they differ in precision" in note


def test_one_label_over_two_networks_is_noted() -> None:
    records = [make_record("gn", 0), make_record("gn", 1, model__norm_layers={"BatchNorm2d": 8})]
    (sentence,) = compare_records(records)[0].differs
    assert "GN(4): its runs trained different networks" in sentence
    assert "8 BatchNorm2d" in sentence


def test_precise_statistics_of_two_kinds_are_noted() -> None:
    precise = {"running": 0.7, "batch": 0.8, "precise": 0.8, "batch_size": 64}
    records = [make_record("pn", 0, statistics=precise), make_record("pn", 1, statistics=precise)]
    assert compare_records(records)[0].differs == ()
    records[0]["statistics"] = precise | {"precise_augmented": True}
    (sentence,) = compare_records(records)[0].differs
    assert "in older runs of PN" in sentence
