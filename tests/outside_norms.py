"""Norms from outside of the package, as a user's are: one that fails on demand, one that counts its layers."""

import os
import signal
from pathlib import Path
from typing import ClassVar

from torch import Tensor, nn


class Failing(nn.Module):
    """The identity. While `marker` exists, training raises ZeroDivisionError; with `kill` it ends the process."""

    def __init__(self, num_channels: int, *, marker: str = "", kill: bool = False) -> None:
        super().__init__()
        self.marker, self.kill = marker, kill

    def forward(self, x: Tensor) -> Tensor:
        if self.training and self.marker and Path(self.marker).exists():
            if self.kill:
                os.kill(os.getpid(), signal.SIGKILL)
            raise ZeroDivisionError("a bug")
        return x


class Counted(nn.Module):
    """The identity; `made` counts its layers."""

    made: ClassVar[int] = 0

    def __init__(self, num_channels: int) -> None:
        super().__init__()
        Counted.made += 1

    def forward(self, x: Tensor) -> Tensor:
        return x


class Remembering(nn.Identity):
    """The identity; its state holds something besides tensors."""

    def __init__(self, num_channels: int) -> None:
        super().__init__()

    def get_extra_state(self) -> object:
        return {"calls": 0}

    def set_extra_state(self, state: object) -> None:
        pass
