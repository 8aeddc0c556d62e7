"""How far runs are that train on other machines, read from their folders."""

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from normbench.runs.events import EpochDone, Event, Step
from normbench.runs.read import RecordError, rows_so_far
from normbench.sweeps.executor import Told
from normbench.sweeps.worker import RunRequest

LOOKS = 10  # folders at a time: hundreds of runs cost no more than a few dozen, and are seen a little later


@dataclass(eq=False)
class _Watched:
    slot: int
    number: int
    request: RunRequest
    changed_at: int | None = None
    """Of `metrics.csv`, when it was last read; None before some process has the folder."""


class FolderProgress:
    """Looks at the folders of the groups in training, a few at a time and all in turn."""

    def __init__(self) -> None:
        self._groups: dict[int, list[_Watched]] = {}
        self._turn: deque[_Watched] = deque()

    def begin(self, slot: int, group: Sequence[RunRequest]) -> None:
        self._groups[slot] = [_Watched(slot, number, request) for number, request in enumerate(group)]
        self._turn.extend(self._groups[slot])

    def end(self, slot: int) -> None:
        for watched in self._groups.pop(slot):
            self._turn.remove(watched)

    def look(self) -> Iterator[Told]:
        """The newest finished epochs, and the epochs that runs are in; nothing that was told before."""
        for _ in range(min(LOOKS, len(self._turn))):
            watched = self._turn[0]
            self._turn.rotate(-1)
            for event in _news(watched):
                yield Told(watched.slot, watched.number, event)


def _news(watched: _Watched) -> Iterator[Event]:
    folder, num_epochs = watched.request.folder, watched.request.config.train.epochs
    now = _changed_at(folder.metrics)
    if now == watched.changed_at or (watched.changed_at is None and not folder.lease.exists()):
        return
    watched.changed_at = now
    rows = []
    with suppress(RecordError):
        rows = rows_so_far(folder)
    if rows:
        yield EpochDone(rows[-1])
    rate = rows[-1].get("images_per_s") if rows else None
    yield Step(len(rows), 0, 1, rate) if len(rows) < num_epochs else Step(num_epochs - 1, 1, 1, rate)


def _changed_at(path: Path) -> int:
    with suppress(OSError):
        return path.stat().st_mtime_ns
    return 0
