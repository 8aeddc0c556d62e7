"""Times of a step relative to batch norm."""

from collections.abc import Callable
from itertools import count

import pytest

from normbench.bench.step_times import WARM_UP, Ratio, ratios_to_baseline, relative_step_times, time_notes


def test_times_are_medians_of_ratios_round_by_round() -> None:
    """A machine that gets slower all the time changes no ratio; one slow step changes no median."""

    def steps_of(seconds: float, slow: tuple[int, ...] = ()) -> Callable[[], float]:
        rounds = count()

        def step() -> float:
            number = next(rounds)
            return seconds * 2.0**number * (100.0 if number in slow else 1.0)

        return step

    steps = {"bn": steps_of(1.0), "gn": steps_of(1.5, slow=(WARM_UP, WARM_UP + 2)), "dyt": steps_of(0.5)}
    found = ratios_to_baseline(steps, rounds=5)
    assert {name: ratio.median for name, ratio in found.items()} == {"bn": 1.0, "gn": 1.5, "dyt": 0.5}
    assert found["gn"] == Ratio(1.5, 1.5, 150.0)


@pytest.mark.parametrize("kinds", [["bn", "none"], ["none"]])
def test_real_steps_are_measured(kinds: list[str]) -> None:
    found = relative_step_times(kinds, rounds=1, device="cpu")
    assert list(found) == kinds
    assert found["none"].median > 0
    assert found.get("bn", Ratio(1.0, 1.0, 1.0)).median == 1.0


@pytest.mark.parametrize(("num", "left_out"), [(1, 0), (5, 0), (6, 0), (9, 1), (10, 1), (20, 5)])
def test_the_interval_leaves_out_as_many_values_as_tables_say(num: int, left_out: int) -> None:
    """Conover 1999, table A3: of 10 values the second and the second-last, of 20 the sixth and the sixth-last."""
    assert Ratio.of([float(value) for value in range(num)])[1:] == (left_out, num - 1 - left_out)


def test_times_that_a_busy_machine_has_spoilt_are_named() -> None:
    steady = {"bn": Ratio(1, 1, 1), "gn": Ratio(1.2, 1.1, 1.3)}
    assert not time_notes(steady)
    (note,) = time_notes(steady | {"dyt": Ratio(1.2, 0.8, 2.4)})
    assert "dyt" in note
