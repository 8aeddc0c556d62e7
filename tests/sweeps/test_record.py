"""The plans of the sweeps into one experiment's folder."""

from pathlib import Path

import pytest

from normbench.runs.read import read_sweep
from normbench.runs.sweep_records import SweepPlan
from normbench.sweeps.record import joined, keep_plan

BATCH = "train.batch_size"


def plan(runs: str, **axes: list) -> SweepPlan:
    """A plan with a run for each word of `runs`."""
    return SweepPlan(
        axes={key.replace("__", "."): tuple(values) for key, values in axes.items()}, runs=tuple(runs.split())
    )


def test_sweeps_over_the_same_keys_that_share_runs_are_one() -> None:
    first = plan("a b", norm=["bn", "gn"], train__batch_size=[8])
    second = plan("b c", norm=["gn", "ln"], train__batch_size=[8, 2])
    assert joined([first], second) == (plan("a b c", norm=["bn", "gn", "ln"], train__batch_size=[8, 2]),)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(plan("a b", norm=["bn"]), id="other keys"),
        pytest.param(plan("c", norm=["bn"], train__batch_size=[8]), id="no run in common"),
    ],
)
def test_other_sweeps_stay_apart(other: SweepPlan) -> None:
    first = plan("a b", norm=["bn"], train__batch_size=[8])
    assert joined([first], other) == (first, other)
    assert joined([first, other], first) == (other, first)  # started last


def test_a_damaged_file_is_written_anew(tmp_path: Path) -> None:
    (tmp_path / "sweep.json").write_text("{")
    keep_plan(tmp_path, {"norm": ["bn"]}, ["a"])
    keep_plan(tmp_path, {"norm": ["bn"]}, ["a"])
    sweep = read_sweep(tmp_path)
    assert sweep is not None
    assert sweep.plans == (plan("a", norm=["bn"]),)
