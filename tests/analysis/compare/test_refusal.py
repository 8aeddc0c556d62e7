"""Runs of several sets: the message names the differing keys, and the way out works."""

import shlex

import pytest

from normbench.analysis.compare.refusal import possible_axes, refusal
from normbench.analysis.compare.select import select
from tests.records import as_runs, make_record, sets_of


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"config__train__batch_size": 8}, "train.batch_size: 64 (2 runs), 8 (1 run)"),
        ({"config__train__optimizer": {"name": "muon"}}, "train.optimizer.lr: 0.1 (2 runs), not set (1 run)"),
        ({"config__data__augment": []}, "pixels: 2}] (2 runs), [] (1 run)"),
        ({"data__fingerprint": "cd" * 32}, "data.fingerprint: abababab (2 runs), cdcdcdcd (1 run)"),
        ({"split": "val"}, "data.evaluate_on: test (2 runs), val (1 run)"),
    ],
)
def test_what_differs_is_named_and_the_way_out_works(changes: dict, line: str) -> None:
    records = [make_record("bn"), make_record("gn"), make_record("ln", **changes)]
    message = refusal(sets_of(records))
    assert line in message
    words = shlex.split(message.splitlines()[-1])
    where = words[words.index("--where") + 1].removesuffix(",")
    assert [run.record.label for run in select(as_runs(records), [where])] == ["BN", "GN(4)"]


def test_two_experiments_are_told_apart_by_name() -> None:
    records = [make_record("bn"), make_record("bn", experiment="reference", config__train__batch_size=32)]
    message = refusal(sets_of(records))
    assert "experiment: default (1 run), reference (1 run)" in message
    assert "--experiment default or --experiment reference" in message


def test_keys_that_could_be_an_axis_are_named() -> None:
    sizes = [make_record("bn", config__train__batch_size=size) for size in (2, 8)]
    assert possible_axes(sets_of(sizes)) == ["train.batch_size"]
    assert "--by train.batch_size" in refusal(sets_of(sizes))
    assert (
        possible_axes(sets_of([*sizes, make_record("bn", config__train__epochs=1, config__train__batch_size=8)])) == []
    )
    assert possible_axes(sets_of([make_record("bn"), make_record("bn", data__fingerprint="cd" * 32)])) == []
