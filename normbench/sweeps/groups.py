"""Which runs of a sweep may train together."""

import json
from collections.abc import Sequence

from normbench.config import Config

MAX_GROUP = 16  # runs that train together: as many keep a large GPU busy, and more would only take its memory


def alike_but_for_seed(configs: Sequence[Config]) -> list[list[int]]:
    """The numbers of the configs in groups of up to MAX_GROUP whose configs differ in their seeds only."""
    by_kind: dict[str, list[int]] = {}
    for number, config in enumerate(configs):
        kind = json.dumps(config.to_dict() | {"seeds": None}, sort_keys=True)
        by_kind.setdefault(kind, []).append(number)
    groups = []
    for numbers in by_kind.values():
        count = -(-len(numbers) // MAX_GROUP)
        groups += [numbers[part::count] for part in range(count)]  # of one size, or nearly
    return groups
