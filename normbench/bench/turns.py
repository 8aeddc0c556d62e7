"""Measuring in turn, so that whatever else the machine does meanwhile falls on all alike."""

from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

T = TypeVar("T")


def rounds_in_turn(contenders: Mapping[str, Callable[[], T]], rounds: int, warm_up: int) -> Iterator[dict[str, T]]:
    """Calls each contender once a round; yields what they returned, by name, after each round that counts.

    The first `warm_up` rounds do not.
    """
    for number in range(warm_up + rounds):
        measured = {name: measure() for name, measure in contenders.items()}
        if number >= warm_up:
            yield measured
