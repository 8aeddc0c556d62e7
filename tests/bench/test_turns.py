"""Measuring in turn."""

from normbench.bench.turns import rounds_in_turn


def test_each_is_measured_once_a_round() -> None:
    calls: list[str] = []
    measures = {name: lambda name=name: calls.append(name) or len(calls) for name in "ab"}
    assert list(rounds_in_turn(measures, rounds=2, warm_up=1)) == [{"a": 3, "b": 4}, {"a": 5, "b": 6}]
    assert calls == list("ababab")
