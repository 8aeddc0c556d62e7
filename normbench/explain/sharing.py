"""Which values of a tensor share a mean and a deviation: the one thing about a norm that its module does not tell."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor

from normbench.explain.shape import Shape, axis_names

SPATIAL = "spatial"  # every axis behind N and C: L, or H and W, or D, H and W

REDUCED: dict[str, tuple[str, ...]] = {
    "bn": ("N", SPATIAL),
    "gn": ("C/G", SPATIAL),
    "ln": ("C", SPATIAL),
    "ln-chw": ("C", SPATIAL),
    "in": (SPATIAL,),
    "none": (),
}
"""Norm -> the axes it reduces in training mode; C/G is one of G groups of neighbouring channels. A norm without a
line here is explained in everything but its statistics, which are then called unknown."""


@dataclass(frozen=True)
class Sharing:
    """How a tensor of `shape` falls into sets of values, each with one mean and one deviation.

    reduced: the axes they are taken over, () where there are no statistics. block: the size of a set along each axis.
    """

    shape: Shape
    reduced: tuple[str, ...]
    block: Shape

    @property
    def num_sets(self) -> int:
        """The number of means, which is that of deviations."""
        return prod(self.shape) // prod(self.block) if self.reduced else 0

    @property
    def formula(self) -> str:
        """`num_sets` in the axes' names: C, N, N·C, N·G."""
        if not self.reduced:
            return "0"
        left = ["G" if name == "C" and "C/G" in self.reduced else name for name in axis_names(self.shape)]
        return "·".join(name for name in left if name not in self.reduced) or "1"

    def sets(self) -> Tensor:
        """The number of each value's set, from 0 in the order of the tensor: int64 of `shape`."""
        number = torch.zeros(self.shape, dtype=torch.int64)
        for axis, (size, block) in enumerate(zip(self.shape, self.block, strict=True)):
            along = torch.arange(size) // block
            number = number * (size // block) + along.view(
                [-1 if other == axis else 1 for other in range(number.dim())]
            )
        return number


def sharing(kind: str, shape: Shape, options: Mapping[str, Any]) -> Sharing | None:
    """What the norm `kind` shares on an input of `shape`, None where it is not stated in REDUCED."""
    if kind not in REDUCED:
        return None
    names = axis_names(shape)
    reduced = tuple(axis for stated in REDUCED[kind] for axis in (names[2:] if stated == SPATIAL else (stated,)))
    block = [size if name in reduced else 1 for name, size in zip(names, shape, strict=True)]
    if "C/G" in reduced:
        block[1] = shape[1] // options["num_groups"]
    return Sharing(shape, reduced, tuple(block))
