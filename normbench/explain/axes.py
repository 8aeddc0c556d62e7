"""Which values of an N, C, H, W block share their statistics, norm by norm."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from normbench.errors import ConfigError
from normbench.explain.layers import norms_for, options_for
from normbench.explain.shape import Shape, groups_for
from normbench.explain.sharing import sharing
from normbench.norms import norm_label

MOST = {"N": 16, "C": 64, "H·W": 64}  # sizes that can be drawn


@dataclass(frozen=True)
class Shares:
    """One norm's partition of the block. sets: [N][C][H][W], the number of each value's set."""

    norm: str
    reduced: tuple[str, ...]
    formula: str
    num_sets: int
    sets: list[Any]

    @property
    def description(self) -> str:
        return f"over {', '.join(self.reduced)}: {self.formula} = {self.num_sets} sets"


@dataclass(frozen=True)
class AxesPicture:
    shape: Shape
    norms: tuple[Shares, ...]
    unknown: tuple[str, ...]
    """Labels of the norms whose axes are not known."""

    @property
    def distinct(self) -> tuple[tuple[Shares, ...], ...]:
        """The norms that partition the block alike, together, in the order of their first."""
        alike: dict[str, list[Shares]] = {}
        for norm in self.norms:
            alike.setdefault(str(norm.sets), []).append(norm)
        return tuple(map(tuple, alike.values()))


def explain_axes(shape: Shape, chosen: Sequence[str] | None = None, groups: int | None = None) -> AxesPicture:
    """The sets of every chosen norm with statistics (default: all norms) on a block of `shape` N,C,H,W.

    After Wu & He 2018, arXiv:1803.08494, figure 2. Raises ConfigError for a block too large to draw.
    """
    sizes = dict(zip(MOST, (shape[0], shape[1], shape[2] * shape[3]), strict=True))
    for axis, size in sizes.items():
        if size > MOST[axis]:
            raise ConfigError(f"--shape: {axis} = {size} is too many to draw; at most {MOST[axis]}")
    num_groups = groups_for(shape[1], groups)
    norms, unknown = [], []
    for kind in norms_for(shape, chosen):
        options = options_for(kind, shape, num_groups=num_groups)
        found = sharing(kind, shape, options)
        label = norm_label(kind, options)
        if found is None:
            unknown.append(label)
        elif found.reduced:
            norms.append(Shares(label, found.reduced, found.formula, found.num_sets, found.sets().tolist()))
    return AxesPicture(shape, tuple(norms), tuple(unknown))
