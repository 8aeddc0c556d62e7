"""What a GPU makes of it: the recorded step beside the eager one, seeds together beside seeds in turn, whole runs."""

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from normbench.bench.agreement import Check, check_fp32, check_images, check_together
from normbench.bench.parts import PartClock
from normbench.bench.result import Lap, Spread
from normbench.bench.training import eager_steps, idle_member, laps, steps_together
from normbench.bench.turns import rounds_in_turn
from normbench.config import Config
from normbench.data import Dataset
from normbench.norms import norm_label
from normbench.runs.execute import train_group, train_run
from normbench.runs.record import Record
from normbench.runs.run_id import folder_of
from normbench.train.loop import Member
from normbench.train.machine import Machine
from normbench.train.passes import WAYS
from normbench.train.setting import Setting

EAGER, RECORDED = "eager", "recorded"
WARM_UP = 2  # rounds that are not counted; the first records

Say = Callable[[str], None]


@dataclass(frozen=True)
class FullPlan:
    """`seeds`: of a norm, together; `steps`: in a turn, of which each contender has one a round."""

    device: torch.device
    precision: str
    seeds: int
    rounds: int
    steps: int
    compared_steps: int = 200


@dataclass(frozen=True)
class NormTimes:
    """Laps by contender, one a round: EAGER and RECORDED are one run alone, the WAYS are `seeds` runs together."""

    label: str
    seeds: int
    laps: dict[str, tuple[Lap, ...]]

    def step_s(self, contender: str) -> float:
        return statistics.median(lap.step_s for lap in self.laps[contender])

    @property
    def fastest_way(self) -> str:
        return min(WAYS, key=self.step_s)

    def times_eager(self, contender: str) -> Spread:
        """How many times as many images (or seeds) a second as eager runs one after the other, round by round."""
        pairs = zip(self.laps[contender], self.laps[EAGER], strict=True)
        return Spread.of([lap.images_per_s / eager.images_per_s for lap, eager in pairs])


@dataclass
class Full:
    """All that was measured. `one_s`, `group_s`: of whole runs of the first norm, from start to finished folder."""

    norms: list[NormTimes] = field(default_factory=list)
    one_s: float = 0.0
    group_s: float = 0.0
    epochs: int = 0
    accuracies: dict[str, list[float]] = field(default_factory=dict)
    """Fractions, of the one run and of the group's."""
    checks: list[Check] = field(default_factory=list)

    @property
    def all_s(self) -> float:
        """All norms with all seeds, projected: the group that was timed, the others in proportion to their steps."""
        first, *_ = self.norms
        shares = [times.step_s(times.fastest_way) / first.step_s(first.fastest_way) for times in self.norms]
        return self.group_s * sum(shares)


def measure_full(configs: Sequence[Config], dataset: Dataset, plan: FullPlan, say: Say) -> Full:
    """Measures and checks it all, in this process; `say` gets a line a stage.

    configs: a norm each, which else are equal. Raises RunError if a run diverges.
    """
    found = Full(epochs=configs[0].train.epochs)
    for config in configs:
        label = norm_label(config.norm.name, config.norm.options)
        say(f"{label}: steps of one run, eager and recorded, and of {plan.seeds} together")
        found.norms.append(_norm_times(config, label, dataset, plan))
    first, way = configs[0], found.norms[0].fastest_way
    with tempfile.TemporaryDirectory() as folder:
        say(f"{found.norms[0].label}: a whole run of {found.epochs} epochs")
        found.one_s, found.accuracies["one run"] = _timed(_one(first, dataset, plan, Path(folder) / "one"))
        say(f"{found.norms[0].label}: {plan.seeds} seeds of {found.epochs} epochs, {way}")
        runs = _group(first, way, dataset, plan, Path(folder) / "group")
        found.group_s, found.accuracies[f"{plan.seeds} seeds, {way}"] = _timed(runs)
    found.checks.append(check_images(first, dataset, plan.device))
    for config in configs:
        seeds = _seeds(config, plan.seeds)
        say(f"{norm_label(config.norm.name, config.norm.options)}: against the CPU, and together against alone")
        found.checks += check_fp32(seeds, dataset, plan.device)
        found.checks += check_together(seeds, dataset, plan.device, plan.precision, plan.compared_steps)
    return found


def _norm_times(config: Config, label: str, dataset: Dataset, plan: FullPlan) -> NormTimes:
    setting = Setting(plan.device, plan.precision)

    def members(number: int) -> list[Member]:
        return [idle_member(each, len(dataset.class_names), setting) for each in _seeds(config, number)]

    steps = {
        EAGER: eager_steps(members(1)[0], dataset.train, setting),
        RECORDED: steps_together(members(1), dataset.train, setting, "lanes"),
        **{way: steps_together(members(plan.seeds), dataset.train, setting, way) for way in WAYS},
    }
    turns = {name: laps(taken, plan.steps, PartClock(plan.device)) for name, taken in steps.items()}
    rounds = list(rounds_in_turn(turns, plan.rounds, WARM_UP))
    return NormTimes(label, plan.seeds, {name: tuple(measured[name] for measured in rounds) for name in turns})


def _seeds(config: Config, number: int) -> list[Config]:
    return [config.for_seed(config.seed + offset) for offset in range(number)]


def _timed(run: Callable[[], list[float]]) -> tuple[float, list[float]]:
    begun = time.perf_counter()
    accuracies = run()
    return time.perf_counter() - begun, accuracies


def _one(config: Config, dataset: Dataset, plan: FullPlan, results: Path) -> Callable[[], list[float]]:
    def run() -> list[float]:
        machine = Machine(plan.device, precision=plan.precision)
        return [_accuracy(train_run(config, folder_of(config, results), dataset, machine))]

    return run


def _group(config: Config, way: str, dataset: Dataset, plan: FullPlan, results: Path) -> Callable[[], list[float]]:
    def run() -> list[float]:
        machine = Machine(plan.device, precision=plan.precision)
        runs = [(each, folder_of(each, results)) for each in _seeds(config, plan.seeds)]
        return [_accuracy(record) for record in train_group(runs, dataset, machine, way=way).values()]

    return run


def _accuracy(record: Record) -> float:
    """NaN of a run that diverged."""
    return float("nan") if record.metrics is None else record.metrics.held_out.accuracy
