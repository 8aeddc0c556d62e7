"""The runs of a sweep from the first to the last: who trains next, what is tried again, what stops."""

import heapq
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from normbench.runs.events import Event, Finished, Unfinished
from normbench.runs.folder import RunFolder
from normbench.runs.interrupt import StopRequest
from normbench.sweeps.executor import Ended, Executor
from normbench.sweeps.groups import alike_but_for_seed
from normbench.sweeps.worker import RunRequest

POLL_S = 0.5
RETRY_S = 5.0  # between two attempts at runs that another process trains
MOST_LOST = 3  # times that a run may lose its machine before it counts as failed: it may be what brings machines down


@dataclass(frozen=True)
class RunEvent:
    """What happened to a run; no two runs at a time have the same `slot`, a number from 0."""

    request: RunRequest
    slot: int
    event: Event


@dataclass(frozen=True)
class Waiting:
    """Nothing is left but runs that other processes train."""

    requests: tuple[RunRequest, ...]


@dataclass(frozen=True)
class Stopping:
    """Ctrl-C came: each run finishes its step and keeps a checkpoint."""


QueueEvent = RunEvent | Waiting | Stopping


def train_all(
    requests: Sequence[RunRequest],
    executor: Executor,
    report: Callable[[QueueEvent], None],
    *,
    fail_fast: bool = False,
    retry_s: float = RETRY_S,
) -> None:
    """Trains all runs where the executor trains them; `report` is called with each event.

    Runs train one by one, or in groups: those with the same `way` that differ in their seed only. The last event of a
    run is Finished or Unfinished. A run that fails does not hold up the others, unless `fail_fast`. A run whose machine
    is lost is tried again at once, up to MOST_LOST times; one that another process trains is tried again every
    `retry_s` seconds, once nothing else is left. After SIGINT or SIGTERM each run is stopped after its step, with a
    checkpoint.
    """
    with StopRequest() as stop, executor:
        queue = _Queue(requests, executor, retry_s)
        while queue.has_work:
            if stop.requested and not queue.is_stopping:
                report(Stopping())
                queue.stop()
            queue.hand_out()
            for event in queue.heard():
                report(event)
                match event.event:
                    case Unfinished(status="busy") if queue.only_waits:
                        report(Waiting(tuple(queue.busy)))
                    case Unfinished(status="failed") if fail_fast and not queue.is_stopping:
                        queue.stop()
        executor.dismiss()


class _Queue:
    """The runs that wait, and those in training by slot and by their number in the group."""

    def __init__(self, requests: Sequence[RunRequest], executor: Executor, retry_s: float) -> None:
        groups = _groups(requests)
        self._executor, self._retry_s, self._retry_at = executor, retry_s, 0.0
        self._to_do = deque(groups)
        self._training: dict[int, dict[int, RunRequest]] = {}
        self._width = max(map(len, groups), default=1)
        self._free: list[int] = []  # a heap of the slots below `_num_slots` that are not in use
        self._num_slots = 0
        self._lost: Counter[RunFolder] = Counter()
        self.busy: list[RunRequest] = []
        self.is_stopping = False

    @property
    def has_work(self) -> bool:
        return bool(self._to_do or self.busy or self._training)

    @property
    def only_waits(self) -> bool:
        """Whether nothing is left but runs that other processes train."""
        return bool(self.busy) and not self._to_do and not self._training

    def hand_out(self) -> None:
        """Groups are submitted while some wait and there is room."""
        if self.busy and not self._to_do and time.monotonic() >= self._retry_at:
            self._to_do.extend([request] for request in self.busy)
            self.busy.clear()
        capacity = self._executor.capacity if self._to_do else 0
        while self._to_do and len(self._training) < capacity:
            group, slot = self._to_do.popleft(), self._take_slot()
            self._training[slot] = dict(enumerate(group))
            self._executor.submit(slot, group)

    def heard(self) -> Iterator[RunEvent]:
        """The events that come within POLL_S. A run to be tried again is back in the queue before its event."""
        for told in self._executor.heard(POLL_S):
            runs = self._training.get(told.slot, {})
            if isinstance(told, Ended):
                events: list[tuple[int, Event]] = [(number, told.end) for number in runs]
            else:
                events = [(told.number, told.event)]
            for number, event in events:
                if number in runs:
                    yield self._event(told.slot, number, event)

    def _event(self, slot: int, number: int, event: Event) -> RunEvent:
        runs = self._training[slot]
        request = runs[number]
        if isinstance(event, Finished | Unfinished):
            del runs[number]
            if not runs:
                del self._training[slot]
                heapq.heappush(self._free, slot)
        match event:
            case Unfinished(status="busy"):
                self._try_later(request)
            case Unfinished(status="lost"):
                event = self._try_again(request, event)
        return RunEvent(request, slot * self._width + number, event)

    def _take_slot(self) -> int:
        if self._free:
            return heapq.heappop(self._free)
        self._num_slots += 1
        return self._num_slots - 1

    def _try_later(self, request: RunRequest) -> None:
        """Keeps a run that another process trains for another attempt, which takes what that process has made."""
        if not self.is_stopping:
            self.busy.append(replace(request, restart=False))
            self._retry_at = time.monotonic() + self._retry_s

    def _try_again(self, request: RunRequest, lost: Unfinished) -> Unfinished:
        """Puts a run that lost its machine at the head of the queue, to go on from its checkpoint."""
        self._lost[request.folder] += 1
        if self.is_stopping:
            return Unfinished("interrupted", lost.message)
        if self._lost[request.folder] > MOST_LOST:
            return Unfinished("failed", f"{lost.message}, for the {self._lost[request.folder]}th time")
        self._to_do.appendleft([replace(request, restart=False)])
        return lost

    def stop(self) -> None:
        """Begins no further run; those in training stop after their step, with a checkpoint."""
        self.is_stopping = True
        self._to_do.clear()
        self.busy.clear()
        self._executor.stop()


def _groups(requests: Sequence[RunRequest]) -> list[Sequence[RunRequest]]:
    """The runs that train together, in the order of their first run."""
    ways = {request.way for request in requests}
    groups: list[list[int]] = [[number] for number, request in enumerate(requests) if request.way is None]
    for way in ways - {None}:
        numbers = [number for number, request in enumerate(requests) if request.way == way]
        alike = alike_but_for_seed([requests[number].config for number in numbers])
        groups += [[numbers[place] for place in group] for group in alike]
    return [[requests[number] for number in group] for group in sorted(groups)]
