"""An optimizer's step as one call, bound to the tensors that it reads and changes."""

import ctypes
from collections.abc import Sequence
from typing import Any, NamedTuple

from torch import Tensor

from normbench.kernels.library import library
from normbench.kernels.structs import MuonRule, OptimizerGroup, SgdRule


class BoundGroup(NamedTuple):
    """A parameter group of an optimizer: made once for its tensors, while the lr changes from step to step."""

    call: OptimizerGroup
    rule: SgdRule | MuonRule
    alive: Any
    """What the call points to."""


class Update:
    """The step of an optimizer whose groups the kernels cover."""

    def __init__(self, groups: Sequence[BoundGroup]) -> None:
        self._groups = groups
        self.calls = (OptimizerGroup * len(groups))(*(group.call for group in groups))

    def set_lrs(self, lrs: Sequence[float | Tensor]) -> None:
        """The lr of each group in the next steps."""
        for group, lr in zip(self._groups, lrs, strict=True):
            group.rule.lr = float(lr)

    def step(self) -> None:
        """Moves the tensors in place."""
        kernels = library()
        assert kernels is not None, "a group was bound without a library"
        kernels.optimizer_step(self.calls, ctypes.c_int64(len(self.calls)))


def update_of(groups: Sequence[BoundGroup | None]) -> Update | None:
    """The update of all groups; None, where the kernels are off or do not cover one of them."""
    bound = [group for group in groups if group is not None]
    return Update(bound) if len(bound) == len(groups) and library() is not None else None
