"""What may have disturbed a measurement."""

from normbench.bench.result import Spread
from normbench.bench.run import busy_notes

STEADY = {"BN": Spread(0.2, 0.15, 0.25)}


def test_a_machine_that_was_busy_before_is_named() -> None:
    assert busy_notes(0.9, 4, STEADY) == busy_notes(None, 4, {}) == ()
    (note,) = busy_notes(3.14, 4, STEADY)
    assert "3.1 processes ready to run on 4 cores" in note


def test_a_machine_that_was_busy_meanwhile_is_told_from_the_taxes() -> None:
    (note,) = busy_notes(0.1, 4, STEADY | {"GN(4)": Spread(0.3, -0.13, 0.98)})
    assert "GN(4) was -13 to 98 %" in note
