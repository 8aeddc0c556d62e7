"""Times of a step relative to batch norm."""

from collections.abc import Callable
from itertools import count

import pytest

from normbench.bench.step_times import WARM_UP, median_ratios, relative_step_times


def test_times_are_medians_of_ratios_round_by_round() -> None:
    """A machine that gets slower all the time changes no ratio; one slow step changes no median."""

    def steps_of(seconds: float, slow: tuple[int, ...] = ()) -> Callable[[], float]:
        rounds = count()

        def step() -> float:
            number = next(rounds)
            return seconds * 2.0**number * (100.0 if number in slow else 1.0)

        return step

    steps = {"bn": steps_of(1.0), "gn": steps_of(1.5, slow=(WARM_UP, WARM_UP + 2)), "dyt": steps_of(0.5)}
    assert median_ratios(steps, rounds=5) == {"bn": 1.0, "gn": 1.5, "dyt": 0.5}


@pytest.mark.parametrize("kinds", [["bn", "none"], ["none"]])
def test_real_steps_are_measured(kinds: list[str]) -> None:
    found = relative_step_times(kinds, rounds=1, device="cpu")
    assert list(found) == kinds
    assert found["none"] > 0
    assert found.get("bn", 1.0) == 1.0
