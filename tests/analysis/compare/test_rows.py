"""A row of a comparison: which metrics a run has."""

import pytest

from normbench.analysis.compare.rows import metrics_of
from normbench.analysis.stats.metrics import metrics_of_split
from normbench.runs.record import Record
from tests.records import make_diverged, make_record

STATISTICS = {"running": 0.7, "batch": 0.75, "precise": 0.74, "batch_size": 64}


@pytest.mark.parametrize("split", ["test", "val"])
def test_all_metrics_of_a_run_stand_in_the_table_of_metrics(split: str) -> None:
    found = metrics_of(Record.model_validate(make_record(split=split, statistics=STATISTICS)))
    assert found.keys() == metrics_of_split(split).keys()
    assert found["statistics_gap"] == pytest.approx(-0.05)
    assert found["generalization_gap"] == pytest.approx(0.01)


def test_a_run_that_diverged_has_no_metrics() -> None:
    assert metrics_of(Record.model_validate(make_diverged())) == {}
