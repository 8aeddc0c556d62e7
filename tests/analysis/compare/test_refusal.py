"""Runs that cannot be compared: the message names the differing keys, and the way out works."""

import shlex

import pytest

from normbench.analysis.compare.compare import compare
from normbench.analysis.compare.select import select
from normbench.errors import ConfigError
from tests.records import as_runs, compare_records, make_record


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
def test_runs_that_differ_in_more_are_refused_and_the_way_out_works(changes: dict, line: str) -> None:
    records = [make_record("bn"), make_record("gn"), make_record("ln", **changes)]
    with pytest.raises(ConfigError) as caught:
        compare_records(records)
    message = str(caught.value)
    assert line in message
    words = shlex.split(message.splitlines()[-1])
    where = words[words.index("--where") + 1].removesuffix(",")
    comparison, _ = compare(select(as_runs(records), [where]))
    assert [row.label for row in comparison.rows] == ["BN", "GN(4)"]


def test_two_experiments_are_told_apart_by_name() -> None:
    records = [make_record("bn"), make_record("bn", experiment="reference", config__train__batch_size=32)]
    with pytest.raises(ConfigError) as caught:
        compare_records(records)
    message = str(caught.value)
    assert "experiment: default (1 run), reference (1 run)" in message
    assert "--experiment default or --experiment reference" in message
    comparison, _ = compare(select(as_runs(records), ["experiment=reference"]))
    assert comparison.experiments == ("reference",)
