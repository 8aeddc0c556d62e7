"""Ranges of numbers, in a sweep and for seeds."""

from pathlib import Path

import pytest

from tests.config_fakes import experiment_errors_of, experiment_text, flags, load_text


@pytest.mark.parametrize(
    ("axis", "expected"),
    [
        ("{from: 1, to: 4}", [1, 2, 3, 4]),
        ("{from: 2, to: 8, step: 3}", [2, 5, 8]),
        ("{from: 8, to: 64, num: 4, scale: log}", [8, 16, 32, 64]),
        ("{from: 10, to: 50, num: 3}", [10, 30, 50]),
        ("{from: 10, to: 50, num: 3, scale: linear}", [10, 30, 50]),
    ],
)
def test_a_range_of_whole_numbers(tmp_path: Path, axis: str, expected: list[int]) -> None:
    runs = experiment_text(tmp_path, f"sweep: {{train.batch_size: {axis}}}").runs
    found = [run.train.batch_size for run in runs]
    assert found == expected
    assert all(type(value) is int for value in found)


@pytest.mark.parametrize(
    ("axis", "expected"),
    [
        ("{from: 0.005, to: 0.32, num: 7, scale: log}", [0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32]),
        ("{from: 1e-4, to: 1, num: 5, scale: log}", [0.0001, 0.001, 0.01, 0.1, 1.0]),
        ("{from: 0.1, to: 0.5, num: 5}", [0.1, 0.2, 0.3, 0.4, 0.5]),
        ("{from: -1, to: 1, num: 5}", [-1, -0.5, 0, 0.5, 1]),
    ],
)
def test_a_range_of_numbers_has_the_values_people_write(tmp_path: Path, axis: str, expected: list[float]) -> None:
    runs = experiment_text(tmp_path, f"sweep: {{train.lr: {axis}}}").runs
    assert [run.train.optimizer.options["lr"] for run in runs] == expected


def test_a_run_of_one_config_takes_a_range_of_seeds_too(tmp_path: Path) -> None:
    assert load_text(tmp_path, "seeds: {from: 3, to: 5}").seeds == (3, 4, 5)
    assert load_text(tmp_path, "seeds: [7]", flags("seeds={from: 0, to: 4, step: 2}")).seeds == (0, 2, 4)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sweep: {train.epochs: {from: 4, to: 1}}", "sweep.train.epochs: 'from' must be below 'to', found {from: 4, t"),
        ("sweep: {train.epochs: {from: 4, to: 4}}", "sweep.train.epochs: 'from' must be below 'to'"),
        ("sweep: {train.epochs: {from: 1}}", "sweep.train.epochs: a range needs 'from' and 'to', such as {from: 0, to"),
        ("sweep: {train.epochs: {from: a, to: 3}}", "sweep.train.epochs.from: must be a finite number, found 'a'"),
        ("sweep: {train.epochs: {from: true, to: 3}}", "sweep.train.epochs.from: must be a finite number, found true"),
        ("sweep: {train.lr: {from: 1, to: .inf, num: 3}}", "sweep.train.optimizer.lr.to: must be a finite number, fou"),
        ("sweep: {train.lr: {from: .nan, to: 1, num: 3}}", "sweep.train.optimizer.lr.from: must be a finite number, f"),
        ("sweep: {train.lr: {from: 0.1, to: 1, num: 1}}", "sweep.train.optimizer.lr.num: must be a whole number from"),
        ("sweep: {train.lr: {from: 0.1, to: 1, num: 1e5}}", "sweep.train.optimizer.lr.num: must be a whole number fro"),
        ("sweep: {train.lr: {from: 0.1, to: 1, nums: 3}}", "sweep.train.optimizer.lr.nums: unknown key of a range 'nu"),
        ("sweep: {train.lr: {from: 0.1, to: 1}}", "sweep.train.optimizer.lr: needs 'num', how many values there are"),
        ("sweep: {train.lr: {from: 1, to: 9, scale: log}}", "sweep.train.optimizer.lr: needs 'num', how many values"),
        ("sweep: {train.lr: {from: 0, to: 1, num: 3, scale: log}}",
         "sweep.train.optimizer.lr: a log scale begins above 0"),
        ("sweep: {train.lr: {from: 1, to: 9, num: 3, scale: lg}}",
         "sweep.train.optimizer.lr.scale: must be linear or log, found 'lg'"),
        ("sweep: {train.epochs: {from: 1, to: 9, num: 3, step: 2}}",
         "sweep.train.epochs: a range has 'num' or 'step', not"),
        ("sweep: {train.epochs: {from: 1, to: 9, step: 0}}", "sweep.train.epochs.step: must be a whole number of at l"),
        ("sweep: {train.epochs: {from: 1, to: 9, step: 3}}", "sweep.train.epochs: steps of 3 from 1 do not meet 9: 't"),
        ("sweep: {train.epochs: {from: 1, to: 10, num: 3}}", "train.epochs: must be a whole number, found 5.5"),
        ("sweep: {train.epochs: {from: 0, to: 99999999}}", "sweep.train.epochs: holds 100,000,000 values, and 10,000"),
        ("seeds: {from: 0, to: 99999999}", "seeds: holds 100,000,000 values, and 10,000 are allowed"),
        ("seeds: {from: 2, to: 0}", "seeds: 'from' must be below 'to'"),
        ("seeds: {from: -1, to: 0}", "seeds[0]: must be at least 0, found -1"),
        ("seeds: {}", "seeds: a range needs 'from' and 'to', such as {from: 0, to: 9}"),
        ("seeds: 3", "seeds: must be a list, found 3; such as [0, 1, 2], or the range {from: 0, to: 2}"),
    ],
)  # fmt: skip
def test_a_wrong_range_is_refused(tmp_path: Path, text: str, expected: str) -> None:
    (message,) = experiment_errors_of(tmp_path, f"\n{text}")
    assert message.startswith(f"my.yaml, line 2: {expected}")
