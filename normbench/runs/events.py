"""The events of a run, reported while it trains: plain values that a worker process can send to its parent."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from normbench.runs.record import Record


@dataclass(frozen=True)
class Started:
    """A run is built and about to train; the numbers are those of the network and the images that it trains on."""

    num_parameters: int
    norm_layers: Mapping[str, int]
    """Layers by class name."""
    data: str
    num_train: int
    num_held_out: int
    num_watched: int
    """Validation images that only the schedule watches."""
    num_classes: int
    device: str
    threads: int
    precision: str
    engine: str
    resumed_at: tuple[int, int] | None
    """(epoch, steps done in it), counted from 0; None for a run that starts at its beginning."""
    kernels_off: str | None = None
    """Why a run on the CPU has to do without the compiled kernels; None if it has them."""
    kernel_level: str | None = None
    """The level that the kernels of a run on the CPU are compiled for (`kernels.levels`)."""


@dataclass(frozen=True)
class Step:
    """`step` of `num_steps` in `epoch` are done; the other numbers are means over the epoch so far."""

    epoch: int
    step: int
    num_steps: int
    images_per_s: float | None
    """None where no step of this run has been seen yet."""
    loss: float | None = None
    """In training; None on a GPU, where to know it would be to wait for the device."""
    accuracy: float | None = None
    """A fraction; None likewise."""


@dataclass(frozen=True)
class EpochDone:
    """An epoch is trained and evaluated; `row` is its row of `metrics.csv`."""

    row: Mapping[str, float]


@dataclass(frozen=True)
class Finished:
    """The run's record is written. `already`: it was written before, and nothing was trained."""

    record: Record
    already: bool = False


@dataclass(frozen=True)
class Unfinished:
    """A run that ended without a record, and why.

    `busy`: another process trains it. `interrupted`: it was stopped, and its checkpoint is kept. `lost`: the machine
    that trained it is gone.
    """

    status: Literal["busy", "failed", "interrupted", "lost"]
    message: str


@dataclass(frozen=True)
class Logged:
    """A line for a person, from the log of a worker process."""

    text: str


Event = Started | Step | EpochDone | Finished | Unfinished | Logged

Report = Callable[[Event], None]
GroupReport = Callable[[int, Event], None]
"""Called with the number of a run among those that train together, and what happened to it."""
