"""Which values of a tensor share their statistics: the one fact about a norm that its module does not show."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor

from normbench.explain.shape import Shape, axis_names
from normbench.norms.registry import ENTRIES, SPATIAL


@dataclass(frozen=True)
class Sharing:
    """A partition of a tensor of `shape` into sets of values, each with its own statistics.

    reduced: the axes that the statistics are computed over, () for a norm without statistics.
    block: the size of a set along each axis.
    """

    shape: Shape
    reduced: tuple[str, ...]
    statistics: tuple[str, ...]
    block: Shape

    @property
    def num_sets(self) -> int:
        return prod(self._sets_along()) if self.reduced else 0

    @property
    def formula(self) -> str:
        """`num_sets` as a product of axis names: C, N, N·C, N·G."""
        if not self.reduced:
            return "0"
        parts = {part[0]: part[2:] for part in self.reduced if "/" in part}  # C/G: there are G of them
        left = [parts.get(name, name) for name in axis_names(self.shape) if name not in self.reduced]
        return "·".join(left) or "1"

    def sets(self) -> Tensor:
        """int64 of `shape`: the number of each value's set, counted from 0 in the order of the tensor."""
        number = torch.zeros(self.shape, dtype=torch.int64)
        for axis, (size, block, count) in enumerate(zip(self.shape, self.block, self._sets_along(), strict=True)):
            along = torch.arange(size) // block
            number = number * count + along.view([-1 if other == axis else 1 for other in range(number.dim())])
        return number

    def _sets_along(self) -> list[int]:
        return [-(-size // block) for size, block in zip(self.shape, self.block, strict=True)]


def sharing(kind: str, shape: Shape, options: Mapping[str, Any]) -> Sharing | None:
    """How the norm `kind` with all its `options` partitions an input of `shape`; None if its axes are not known."""
    entry = ENTRIES.get(kind)
    if entry is None or entry.axes is None:
        return None
    names = axis_names(shape)
    reduced = tuple(axis for part in entry.axes for axis in (names[2:] if part == SPATIAL else (part,)))
    block = [size if name in reduced else 1 for name, size in zip(names, shape, strict=True)]
    if "C/G" in reduced:
        block[1] = options.get("channels_per_group") or shape[1] // options["num_groups"]
    if "N/B" in reduced:
        block[0] = min(shape[0], options["ghost_size"])
    return Sharing(shape, reduced, entry.statistics, tuple(block))
