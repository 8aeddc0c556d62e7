"""An executor whose nodes, runs and clock are simulated: its runs leave the folders of real ones and train nothing."""

import heapq
import itertools
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from normbench.config import Config, load_config
from normbench.runs.events import Event, Finished, Unfinished
from normbench.runs.folder import RunFolder
from normbench.runs.record import Record
from normbench.runs.registries import REGISTRIES
from normbench.sweeps.executor import Ended, Told
from normbench.sweeps.plan import Plan
from normbench.sweeps.progress import FolderProgress
from normbench.sweeps.worker import RunRequest
from normbench.train.machine import Machine
from tests.records import make_record

HOUR = 3600.0
HEADER = "epoch,lr,train_loss,train_accuracy,test_loss,test_accuracy,train_s,eval_s,images_per_s\n"


@dataclass(frozen=True)
class Trouble:
    """What goes wrong: the mean time between failures of a node and its repair, and the share of runs that fail."""

    node_fails_s: float = 24 * HOUR
    repair_s: float = 600.0
    run_fails: float = 0.01


class SimulatedCluster:
    """`nodes` nodes, each of which trains one run at a time, `epoch_s` simulated seconds an epoch."""

    def __init__(self, nodes: int, trouble: Trouble, epoch_s: float = 60.0, seed: int = 0) -> None:
        self._random, self._trouble, self._epoch_s = np.random.default_rng(seed), trouble, epoch_s
        self._clock, self._order = 0.0, itertools.count()
        self._idle = list(range(nodes))
        self._on: dict[int, tuple[int, RunRequest]] = {}  # node -> slot and run
        self._events: list[tuple[float, int, str, int, int]] = []  # a heap of (time, order, what, node, slot)
        self._epochs: dict[RunFolder, int] = {}
        self._progress = FolderProgress()
        self.finished: list[str] = []
        self.failures = 0
        self.own_cpu_s = 0.0
        self._record = Record.model_validate(make_record())
        for node in range(nodes):
            self._at(self._random.exponential(trouble.node_fails_s), "node fails", node, -1)

    def _at(self, after_s: float, what: str, node: int, slot: int) -> None:
        heapq.heappush(self._events, (self._clock + after_s, next(self._order), what, node, slot))

    @property
    def capacity(self) -> int:
        return len(self._idle) + len(self._on)

    def submit(self, slot: int, group: Sequence[RunRequest]) -> None:
        begun = time.process_time()
        (request,) = group
        node = self._idle.pop()
        assert slot not in {taken for taken, _ in self._on.values()}
        self._on[node] = slot, request
        request.folder.path.mkdir(parents=True, exist_ok=True)
        request.folder.lease.touch()
        self._at(self._epoch_s * self._random.uniform(0.8, 1.2), "epoch", node, slot)
        self.own_cpu_s += time.process_time() - begun
        self._progress.begin(slot, group)

    def heard(self, timeout_s: float) -> Iterator[Told | Ended]:
        begun = time.process_time()
        told: list[Told | Ended] = []
        until = self._clock + timeout_s
        while not told and self._events and self._events[0][0] <= until:
            self._clock, _, what, node, slot = heapq.heappop(self._events)
            told += self._happens(what, node, slot)
        self._clock = self._clock if told else until
        self.own_cpu_s += time.process_time() - begun
        for each in told:
            self._progress.end(each.slot)
        yield from told
        yield from self._progress.look()

    def _happens(self, what: str, node: int, slot: int) -> list[Told | Ended]:
        if what == "repaired":
            self._idle.append(node)
        elif what == "node fails":
            return self._fail(node)
        elif node in self._on and self._on[node][0] == slot:
            return self._end_epoch(node, *self._on[node])
        return []

    def _fail(self, node: int) -> list[Told | Ended]:
        self.failures += 1
        self._at(self._trouble.repair_s, "repaired", node, -1)
        self._at(self._trouble.repair_s + self._random.exponential(self._trouble.node_fails_s), "node fails", node, -1)
        if node not in self._on:
            self._idle.remove(node)
            return []
        slot, _ = self._on.pop(node)
        return [Ended(slot, Unfinished("lost", "its node was lost"))]

    def _end_epoch(self, node: int, slot: int, request: RunRequest) -> list[Told | Ended]:
        done = self._epochs[request.folder] = self._epochs.get(request.folder, 0) + 1
        with request.folder.metrics.open("a") as file:
            file.write(("" if done > 1 else HEADER) + f"{done},0.1,1.0,0.5,1.0,0.5,50,10,1000\n")
        if done < request.config.train.epochs:
            self._at(self._epoch_s * self._random.uniform(0.8, 1.2), "epoch", node, slot)
            return []
        del self._on[node], self._epochs[request.folder]
        self._idle.append(node)
        end: Event = Finished(self._record)
        if self._random.random() < self._trouble.run_fails:
            end = Unfinished("failed", "its norm fails")
        else:
            self.finished.append(request.folder.path.name)
        return [Told(slot, 0, end)]

    def stop(self) -> None:
        self._events = [event for event in self._events if event[2] != "epoch"]

    def dismiss(self) -> None:
        assert not self._on

    def __enter__(self) -> "SimulatedCluster":
        return self

    def __exit__(self, *error: object) -> None:
        pass


def simulated_requests(number: int, results: Path, epochs: int = 20) -> list[RunRequest]:
    """Runs that differ in their seed."""
    first: Config = load_config("default", REGISTRIES, [("train.epochs", epochs, "--epochs")])
    return [
        RunRequest(first.model_copy(update={"seeds": (seed,)}), RunFolder(results / f"bn-s{seed}"))
        for seed in range(number)
    ]


def simulated_plan(requests: Sequence[RunRequest], nodes: int, epoch_s: float = 60.0) -> Plan:
    seconds = tuple(request.config.train.epochs * epoch_s for request in requests)
    return Plan(tuple(requests), (), seconds, nodes, Machine(torch.device("cpu"), threads=1, precision="fp32"))
