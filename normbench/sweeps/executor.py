"""Where the runs of a sweep train: the seam between the queue of runs and the machines."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol, Self

from normbench.runs.events import Event, Unfinished
from normbench.sweeps.worker import RunRequest


class Told(NamedTuple):
    """What happened to a run: `number` counts the runs of the group that was submitted as `slot`."""

    slot: int
    number: int
    event: Event


class Ended(NamedTuple):
    """Whoever trained the group `slot` is gone; `end` is the end of each of its runs that is not over."""

    slot: int
    end: Unfinished


class Executor(Protocol):
    """A context within which groups of runs train; leaving it ends at once what still trains.

    Who submits a group gives it a number, its slot, that no other group has at the time. The last event of each run is
    Finished or Unfinished, unless the group is Ended.
    """

    @property
    def capacity(self) -> int:
        """The groups that may train at a time; it may change."""

    def submit(self, slot: int, group: Sequence[RunRequest]) -> None:
        """Begins to train a group. Its runs differ in their seed only."""

    def heard(self, timeout_s: float) -> Iterable[Told | Ended]:
        """What happened since the last call; waits up to `timeout_s` seconds for something."""

    def stop(self) -> None:
        """Asks every run to end after its step, with a checkpoint."""

    def dismiss(self) -> None:
        """Lets go of what is idle, once every run is over."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: object) -> None: ...
