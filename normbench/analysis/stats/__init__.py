"""Statistics as pure functions of numbers: intervals, tests, verdicts."""
