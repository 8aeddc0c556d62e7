"""Planned looks at values that grow."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from normbench.analysis.stats.sequential import decide, planned_looks
from normbench.analysis.values.judge import Judged, judge_values
from normbench.analysis.values.looks import look
from normbench.analysis.values.read import Arm, Values
from normbench.errors import ConfigError
from normbench.runs.read import RecordError

A = [80.1, 80.3, 79.8, 80.0, 80.2, 79.9, 80.1, 80.0, 80.2, 80.1]
B = [80.4, 79.9, 80.6, 80.9, 80.5, 80.8, 80.7, 80.6, 80.9, 80.4]


def judged(a: Sequence[float], b: Sequence[float], delta: float = 0.1) -> Judged:
    arms = tuple(Arm(name, None, dict(enumerate(values))) for name, values in (("a", a), ("b", b)))
    return judge_values(Values(arms, "metric", None, has_seeds=True), None, all_pairs=False, delta=delta)


def test_each_call_takes_one_look_and_decides_as_a_sweep_does(tmp_path: Path) -> None:
    looks = planned_looks(10)
    for index, n in enumerate(looks):
        found = look(judged(A[:n], B[:n]), tmp_path / "state.json", 10)
        (pair,) = found.judged.pairs
        (expected,) = decide({"a": A, "b": B}, [("b", "a")], looks, index, 0.1, unit="")
        assert pair.decision == expected
        assert found.plan.look == index
        if not expected.goes_on:
            assert found.next_step == "Every pair is decided."
            return
    pytest.fail("these values are decided")


def test_without_new_values_nothing_is_looked_at(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    early = look(judged(A[:2], B[:2]), state, 10)
    assert (early.plan.look, early.judged.pairs, state.exists()) == (-1, (), False)
    assert "Look 1 takes 3 seeds" in early.next_step
    look(judged(A[:3], B[:3]), state, 10)
    assert look(judged(A[:3], B[:3]), state, 10).plan.look == 0


def test_values_beyond_the_look_are_not_shown(tmp_path: Path) -> None:
    found = look(judged(A, B), tmp_path / "state.json", 10)
    assert [len(arm.values) for arm in found.judged.values.arms] == [3, 3]


def test_another_question_and_changed_values_are_refused(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    look(judged(A[:3], B[:3]), state, 10)
    with pytest.raises(ConfigError, match=r"delta 0\.1, now it would be 0\.2"):
        look(judged(A, B, delta=0.2), state, 10)
    with pytest.raises(ConfigError, match="looks"):
        look(judged(A, B), state, 20)
    with pytest.raises(ConfigError, match="values of a that were looked at have changed"):
        look(judged([80.2, *A[1:]], B), state, 10)


def test_a_damaged_state_is_named(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text('{"schema_version": 1, "arms": ["a", "b"]}')
    with pytest.raises(RecordError, match=r"state\.json"):
        look(judged(A, B), tmp_path / "state.json", 10)
