"""Numbers in tables: no sign is lost, no p lands on the other side of 0.05, two runs get no interval."""

import pytest

from normbench.analysis.stats.estimate import mean_interval
from normbench.present.tables.numbers import number, p_value, with_interval


def test_a_number_below_zero_keeps_its_sign() -> None:
    assert number(-0.004, 1, 2) == "-0.00"
    assert number(-0.0, 1, 2) == "0.00"
    assert number(0.004, 1, 2, signed=True) == "+0.00"
    assert number(None, 1, 2) == "-"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0500001, "0.0500001"),
        (0.04999, "0.04999"),
        (0.05, "0.0500"),
        (0.0512, "0.051"),
        (0.0004, "<0.001"),
        (None, "-"),
    ],
)
def test_a_p_is_never_printed_as_the_level_that_it_is_not(value: float | None, text: str) -> None:
    assert p_value(value) == text


def test_too_few_runs_have_a_mean_and_say_so() -> None:
    assert with_interval(mean_interval([0.79, 0.80]), 100, 2) == ("79.50", "[n = 2: too few]")
    assert with_interval(mean_interval([0.2, 0.5, 0.9], bounds=(0, 1)), 100, 1) == ("53.3", "[n = 3: too few]")
    assert with_interval(mean_interval([0.8]), 100, 2) == "80.00"
