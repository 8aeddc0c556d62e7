"""What a GPU gains: the recorded step over the eager one, seeds together over seeds in turn, and whole runs."""

import logging
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from normbench.bench.agreement import Check, check_fp32, check_images, check_together
from normbench.bench.parts import PartClock
from normbench.bench.result import Spread, Timing
from normbench.bench.training import eager_steps, idle_member, steps_together, timer
from normbench.bench.turns import rounds_in_turn
from normbench.config import Config
from normbench.data.dataset import Dataset
from normbench.norms import norm_label
from normbench.runs.build import task_of, training_split
from normbench.runs.execute import train_group, train_run
from normbench.runs.record import Record
from normbench.runs.run_id import folder_of
from normbench.train.loop import Member
from normbench.train.machine import Machine
from normbench.train.passes import WAYS
from normbench.train.setting import Setting

EAGER, RECORDED = "eager", "recorded"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FullPlan:
    """How much is measured.

    seeds: runs of a norm that train together. steps: training steps of each variant in a round. warm_up: rounds that
    are not counted; the first records the graph. compared_steps: of the check of runs together against runs alone.
    """

    rounds: int
    steps: int
    seeds: int = 10
    warm_up: int = 2
    compared_steps: int = 200


@dataclass(frozen=True)
class VariantTimings:
    """The timings of one norm by variant, one a round.

    EAGER and RECORDED are one run alone. Each way of WAYS is `seeds` runs in the same steps.
    """

    label: str
    seeds: int
    timings: dict[str, tuple[Timing, ...]]

    def step_s(self, variant: str) -> float:
        return statistics.median(timing.step_s for timing in self.timings[variant])

    @property
    def fastest_way(self) -> str:
        return min(WAYS, key=self.step_s)

    def times_eager(self, variant: str) -> Spread:
        """Images (or seeds) a second over those of eager runs one after the other, round by round."""
        pairs = zip(self.timings[variant], self.timings[EAGER], strict=True)
        return Spread.of([timing.images_per_s / eager.images_per_s for timing, eager in pairs])


@dataclass(frozen=True)
class WholeRuns:
    """Runs of the first norm that trained together, from the start to the finished folders, without pictures.

    accuracies: fractions, one a run; NaN for a run that diverged.
    """

    what: str
    seconds: float
    accuracies: tuple[float, ...]


@dataclass(frozen=True)
class FullBench:
    """What `normbench bench --full` measures and checks. one, group: a single run, and `seeds` runs together."""

    norms: tuple[VariantTimings, ...]
    one: WholeRuns
    group: WholeRuns
    epochs: int
    checks: tuple[Check, ...]

    @property
    def all_s(self) -> float:
        """Projected seconds of all norms with all seeds: the timed group, the others in proportion to their steps."""
        first, *_ = self.norms
        shares = [norm.step_s(norm.fastest_way) / first.step_s(first.fastest_way) for norm in self.norms]
        return self.group.seconds * sum(shares)


def measure_full(
    configs: Sequence[Config], dataset: Dataset, machine: Machine, precision: str, plan: FullPlan
) -> FullBench:
    """Measures and checks in this process, on any device; logs a line a stage.

    configs: one for each norm, equal otherwise. Raises RunError if a run fails.
    """
    setting = Setting(machine.device, precision, normalization=dataset.normalization)
    as_trained = replace(dataset, train=training_split(configs[0], dataset.train, task_of(dataset)))
    norms = []
    for config in configs:
        label = norm_label(config.norm.name, config.norm.options)
        logger.info(f"{label}: steps of one run, eager and recorded, and of {plan.seeds} together")
        norms.append(_variant_timings(config, label, as_trained, setting, plan))
    one, group = _whole_runs(configs[0], norms[0], dataset, Machine(machine.device, precision=precision), plan)
    checks = [check_images(configs[0], as_trained, machine.device)]
    for config in configs:
        seeds = _seeds(config, plan.seeds)
        logger.info(f"{norm_label(config.norm.name, config.norm.options)}: against the CPU, and together against alone")
        checks += check_fp32(seeds, as_trained, machine.device)
        checks += check_together(seeds, as_trained, machine.device, precision, plan.compared_steps)
    return FullBench(tuple(norms), one, group, configs[0].train.epochs, tuple(checks))


def _variant_timings(config: Config, label: str, dataset: Dataset, setting: Setting, plan: FullPlan) -> VariantTimings:
    def members(number: int) -> list[Member]:
        return [idle_member(each, task_of(dataset), setting) for each in _seeds(config, number)]

    steps = {
        EAGER: eager_steps(members(1)[0], dataset.train, setting),
        RECORDED: steps_together(members(1), dataset.train, setting, "lanes"),
        **{way: steps_together(members(plan.seeds), dataset.train, setting, way) for way in WAYS},
    }
    measures = {name: timer(taken, plan.steps, PartClock(setting.device)) for name, taken in steps.items()}
    rounds = list(rounds_in_turn(measures, plan.rounds, plan.warm_up))
    return VariantTimings(label, plan.seeds, {name: tuple(measured[name] for measured in rounds) for name in steps})


def _whole_runs(
    config: Config, norm: VariantTimings, dataset: Dataset, machine: Machine, plan: FullPlan
) -> tuple[WholeRuns, WholeRuns]:
    way, epochs = norm.fastest_way, config.train.epochs
    with tempfile.TemporaryDirectory() as folder:
        alone, together = Path(folder) / "one", Path(folder) / "group"
        logger.info(f"{norm.label}: a whole run of {epochs} epochs")
        one = _timed("one run", lambda: [train_run(config, folder_of(config, alone), dataset, machine, pictures=False)])
        logger.info(f"{norm.label}: {plan.seeds} seeds of {epochs} epochs, {way}")
        runs = [(each, folder_of(each, together)) for each in _seeds(config, plan.seeds)]
        group = _timed(
            f"{plan.seeds} seeds, {way}",
            lambda: list(train_group(runs, dataset, machine, way=way, pictures=False).values()),
        )
    return one, group


def _timed(what: str, train: Callable[[], list[Record]]) -> WholeRuns:
    begun = time.perf_counter()
    records = train()
    return WholeRuns(what, time.perf_counter() - begun, tuple(map(_accuracy, records)))


def _seeds(config: Config, number: int) -> list[Config]:
    return [config.for_seed(config.seed + offset) for offset in range(number)]


def _accuracy(record: Record) -> float:
    return record.metrics.held_out.accuracy if record.metrics else float("nan")
