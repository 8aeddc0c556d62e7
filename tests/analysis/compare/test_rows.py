"""A row of a comparison: which metrics a run has."""

import pytest

from normbench.analysis.compare.rows import metrics_of
from normbench.analysis.stats.metrics import metrics_of_split
from normbench.runs.record import Record
from tests.records import compare_records, make_diverged, make_record

ALSO_TEST = {
    "name": "CIFAR-10-C",
    "fingerprint": "0f",
    "num_images": 10,
    "accuracy": 0.4,
    "by_corruption": {"fog": 0.4},
}
STATISTICS = {"running": 0.7, "batch": 0.75, "precise": 0.74, "batch_size": 64}


@pytest.mark.parametrize("split", ["test", "val"])
def test_all_metrics_of_a_run_stand_in_the_table_of_metrics(split: str) -> None:
    found = metrics_of(Record.model_validate(make_record(split=split, statistics=STATISTICS, also_test=ALSO_TEST)))
    assert found.keys() == metrics_of_split(split).keys()
    assert found["statistics_gap"] == pytest.approx(-0.05)
    assert found["generalization_gap"] == pytest.approx(0.01)


def test_images_that_differ_between_runs_are_said() -> None:
    others = {**ALSO_TEST, "name": "cifar10.1_v6", "fingerprint": "1e"}
    records = [make_record("bn", also_test=ALSO_TEST), make_record("gn", also_test=others)]
    found, _ = compare_records(records)
    assert any("CIFAR-10-C, cifar10.1_v6" in sentence for sentence in found.differs)


def test_a_run_that_diverged_has_no_metrics() -> None:
    assert metrics_of(Record.model_validate(make_diverged())) == {}


def test_metrics_are_averaged_over_seeds() -> None:
    times = (10.0, 11.0, 30.0)
    accuracies = (0.80, 0.79, 0.81)
    records = [
        make_record("bn", seed, accuracy, timing__train_s_per_epoch=time)
        for seed, (accuracy, time) in enumerate(zip(accuracies, times, strict=True))
    ]
    comparison, _ = compare_records(records)
    (row,) = comparison.rows
    assert (row.n, row.seeds, row.num_parameters, row.train_s_per_epoch) == (3, (0, 1, 2), 40_394, 11.0)
    assert row.metrics["test_accuracy"].mean == pytest.approx(0.80)
    assert row.metrics["test_accuracy"].std == pytest.approx(0.01)
    assert row.metrics["test_errors"].mean == pytest.approx(2000)
