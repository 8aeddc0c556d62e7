"""Measuring in turn, so that disturbances of the machine fall on everything that is compared."""

from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

T = TypeVar("T")


def rounds_in_turn(measures: Mapping[str, Callable[[], T]], rounds: int, warm_up: int) -> Iterator[dict[str, T]]:
    """Calls every function once a round; yields the results by name, for `rounds` rounds after `warm_up` others."""
    for number in range(warm_up + rounds):
        measured = {name: measure() for name, measure in measures.items()}
        if number >= warm_up:
            yield measured
