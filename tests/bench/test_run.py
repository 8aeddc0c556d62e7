"""What may have disturbed a measurement."""

from normbench.bench.run import busy_notes


def test_a_machine_that_was_busy_before_is_named() -> None:
    assert busy_notes(0.9, 4) == busy_notes(None, 4) == ()
    (note,) = busy_notes(3.14, 4)
    assert "3.1 processes ready to run on 4 cores" in note
