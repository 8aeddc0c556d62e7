"""Which values of a tensor share their statistics: the one thing about a norm that its module does not tell."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, NamedTuple

import torch
from torch import Tensor

from normbench.explain.shape import Shape, axis_names

SPATIAL = "spatial"  # every axis behind N and C: L, or H and W, or D, H and W

MEAN_STD, STD, RMS = ("mean", "std"), ("std",), ("rms",)


class Reduced(NamedTuple):
    """axes: those a norm reduces in training mode; C/G is one of G groups of neighbouring channels, N/B one of B ghosts
    of neighbouring samples. statistics: what it computes over them; std is about the mean, rms about 0."""

    axes: tuple[str, ...]
    statistics: tuple[str, ...] = MEAN_STD


REDUCED: dict[str, Reduced] = {
    "bn": Reduced(("N", SPATIAL)),
    "gn": Reduced(("C/G", SPATIAL)),
    "ln": Reduced(("C", SPATIAL)),
    "ln-chw": Reduced(("C", SPATIAL)),
    "ln-c": Reduced(("C",)),
    "rms": Reduced(("C",), RMS),
    "in": Reduced((SPATIAL,)),
    "gbn": Reduced(("N/B", SPATIAL)),
    "brn": Reduced(("N", SPATIAL)),
    "pn": Reduced(("N", SPATIAL)),
    "frn": Reduced((SPATIAL,), RMS),
    "evo-s0": Reduced(("C/G", SPATIAL), STD),
    "dyt": Reduced((), ()),
    "none": Reduced((), ()),
}
"""A norm without a line here is explained in everything but its statistics, which are then called unknown."""


@dataclass(frozen=True)
class Sharing:
    """How a tensor of `shape` falls into sets of values, each with statistics of its own.

    reduced: the axes they are taken over, () where there are none. block: the size of a set along each axis.
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
        """`num_sets` in the axes' names: C, N, N·C, N·G."""
        if not self.reduced:
            return "0"
        parts = {part[0]: part[2:] for part in self.reduced if "/" in part}  # C/G: there are G of them
        left = [parts.get(name, name) for name in axis_names(self.shape) if name not in self.reduced]
        return "·".join(left) or "1"

    def sets(self) -> Tensor:
        """The number of each value's set, from 0 in the order of the tensor: int64 of `shape`."""
        number = torch.zeros(self.shape, dtype=torch.int64)
        for axis, (size, block, count) in enumerate(zip(self.shape, self.block, self._sets_along(), strict=True)):
            along = torch.arange(size) // block
            number = number * count + along.view([-1 if other == axis else 1 for other in range(number.dim())])
        return number

    def _sets_along(self) -> list[int]:
        return [-(-size // block) for size, block in zip(self.shape, self.block, strict=True)]


def sharing(kind: str, shape: Shape, options: Mapping[str, Any]) -> Sharing | None:
    """What the norm `kind` with all its `options` shares on an input of `shape`, None where REDUCED does not say."""
    if kind not in REDUCED:
        return None
    names = axis_names(shape)
    stated = REDUCED[kind]
    reduced = tuple(axis for part in stated.axes for axis in (names[2:] if part == SPATIAL else (part,)))
    block = [size if name in reduced else 1 for name, size in zip(names, shape, strict=True)]
    if "C/G" in reduced:
        block[1] = shape[1] // options["num_groups"]
    if "N/B" in reduced:
        block[0] = min(shape[0], options["ghost_size"])
    return Sharing(shape, reduced, stated.statistics, tuple(block))
