"""What a GPU gains: the recorded step over the eager one, seeds together over seeds in turn, and whole runs.

Measured in stages that follow each other from the most to the least telling, so that a cut measurement is of use.
"""

import logging
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
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
from normbench.runs.events import EpochDone, Event
from normbench.runs.execute import train_group
from normbench.runs.record import Record
from normbench.runs.run_id import folder_of
from normbench.train.compiled import CompileError
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
    epochs: of the whole runs; longer ones are projected. limit_s: seconds after which no further stage begins.
    """

    rounds: int
    steps: int
    seeds: int = 10
    warm_up: int = 2
    compared_steps: int = 60
    epochs: int = 2
    limit_s: float = 140.0


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
class CompiledTimings:
    """Recorded steps of the same runs by PyTorch's layers and by `torch.compile`, a timing of each a round.

    first_s: seconds of the first steps, with the time that compiling took.
    """

    label: str
    what: str
    recorded: tuple[Timing, ...]
    compiled: tuple[Timing, ...]
    first_s: float

    @property
    def times_recorded(self) -> Spread:
        """Images a second over those of PyTorch's layers, round by round."""
        pairs = zip(self.compiled, self.recorded, strict=True)
        return Spread.of([timing.images_per_s / recorded.images_per_s for timing, recorded in pairs])


@dataclass(frozen=True)
class WholeRuns:
    """Runs of the first norm that trained together, from the start to the finished folders with their pictures.

    A sweep takes less: there the next runs train while these pictures are drawn.
    epoch_s: the seconds of the last epoch. accuracies: fractions, one a run; NaN for a run that diverged.
    """

    what: str
    seconds: float
    epochs: int
    epoch_s: float
    accuracies: tuple[float, ...]

    def projected_s(self, epochs: int) -> float:
        """Seconds of so many epochs: each further one takes as long as the last."""
        return self.seconds + (epochs - self.epochs) * self.epoch_s


@dataclass(frozen=True)
class FullBench:
    """What `normbench bench --full` has measured and checked so far.

    runs: first a single run, then `seeds` runs together; empty until both are measured. compiled: on CUDA, of the first
    norm. epochs: of the config. left_out: what no time was left for.
    """

    epochs: int
    norms: tuple[VariantTimings, ...] = ()
    runs: tuple[WholeRuns, ...] = ()
    checks: tuple[Check, ...] = ()
    compiled: tuple[CompiledTimings, ...] = ()
    left_out: tuple[str, ...] = ()

    @property
    def all_s(self) -> float:
        """Projected seconds of all norms with all seeds: the timed group, the others in proportion to their steps."""
        first, *_ = self.norms
        shares = [norm.step_s(norm.fastest_way) / first.step_s(first.fastest_way) for norm in self.norms]
        return self.runs[-1].projected_s(self.epochs) * sum(shares)


Stage = tuple[str, Callable[[FullBench], FullBench]]
"""What is measured, in words, and the function that adds it to what is known."""


def measure_full(
    configs: Sequence[Config], dataset: Dataset, machine: Machine, precision: str, plan: FullPlan
) -> Iterator[FullBench]:
    """Measures and checks in this process, on any device; yields after each stage what is known by then.

    configs: one for each norm, equal otherwise. Raises RunError if a run fails.
    """
    setting = Setting(machine.device, precision, normalization=dataset.normalization)
    as_trained = replace(dataset, train=training_split(configs[0], dataset.train, task_of(dataset)))

    def time_steps(config: Config, full: FullBench) -> FullBench:
        return replace(full, norms=(*full.norms, _variant_timings(config, as_trained, setting, plan)))

    def time_runs(full: FullBench) -> FullBench:
        way, alone = full.norms[0].fastest_way, Machine(machine.device, precision=precision)
        return replace(full, runs=tuple(_whole_runs(configs[0], way, dataset, alone, plan)))

    def compare_images(full: FullBench) -> FullBench:
        return replace(full, checks=(*full.checks, check_images(configs[0], as_trained, machine.device)))

    def compare(config: Config, full: FullBench) -> FullBench:
        seeds = _seeds(config, plan.seeds)
        fp32 = check_fp32(seeds, as_trained, machine.device)
        together = check_together(seeds, as_trained, machine.device, precision, plan.compared_steps)
        return replace(full, checks=(*full.checks, *fp32, *together))

    def time_compiled(full: FullBench) -> FullBench:
        try:
            return replace(full, compiled=tuple(_compiled_timings(configs[0], as_trained, setting, plan)))
        except CompileError as error:
            logger.info(f"note: {error}")
            return full

    stages: list[Stage] = [
        *((f"{_label(each)}: steps, alone and {plan.seeds} together", partial(time_steps, each)) for each in configs),
        (f"{_label(configs[0])}: whole runs of {plan.epochs} epochs, one and {plan.seeds} together", time_runs),
        ("images augmented here and on the CPU", compare_images),
        *((f"{_label(each)}: against the CPU, and together against alone", partial(compare, each)) for each in configs),
        *([(f"{_label(configs[0])}: steps by torch.compile", time_compiled)] if machine.is_cuda else []),
    ]
    return run_stages(stages, FullBench(configs[0].train.epochs), plan.limit_s)


def run_stages(
    stages: Sequence[Stage], full: FullBench, limit_s: float, now: Callable[[], float] = time.monotonic
) -> Iterator[FullBench]:
    """Yields what is known after each stage; none begins after `limit_s` seconds of the clock `now`.

    Logs what each stage measures.
    """
    begun = now()
    for number, (what, measure) in enumerate(stages):
        if now() - begun > limit_s:
            yield replace(full, left_out=tuple(left for left, _ in stages[number:]))
            return
        logger.info(what)
        full = measure(full)
        yield full


def _variant_timings(config: Config, dataset: Dataset, setting: Setting, plan: FullPlan) -> VariantTimings:
    def members(number: int) -> list[Member]:
        return [idle_member(each, task_of(dataset), setting) for each in _seeds(config, number)]

    steps = {
        EAGER: eager_steps(members(1)[0], dataset.train, setting),
        RECORDED: steps_together(members(1), dataset.train, setting, "lanes"),
        **{way: steps_together(members(plan.seeds), dataset.train, setting, way) for way in WAYS},
    }
    measures = {name: timer(taken, plan.steps, PartClock(setting.device)) for name, taken in steps.items()}
    rounds = list(rounds_in_turn(measures, plan.rounds, plan.warm_up))
    timings = {name: tuple(measured[name] for measured in rounds) for name in steps}
    return VariantTimings(_label(config), plan.seeds, timings)


def _compiled_timings(config: Config, dataset: Dataset, setting: Setting, plan: FullPlan) -> Iterator[CompiledTimings]:
    for what, number in (("one run", 1), (f"{plan.seeds} seeds, lanes", plan.seeds)):
        measures = {}
        for engine in ("kernels", "compile"):
            by_engine = replace(setting, engine=engine)
            members = [idle_member(each, task_of(dataset), by_engine) for each in _seeds(config, number)]
            steps = steps_together(members, dataset.train, by_engine, "lanes")
            measures[engine] = timer(steps, plan.steps, PartClock(setting.device))
        begun = time.perf_counter()
        measures["compile"]()
        first_s = time.perf_counter() - begun
        rounds = list(rounds_in_turn(measures, plan.rounds, plan.warm_up))
        recorded, compiled = (tuple(measured[engine] for measured in rounds) for engine in measures)
        yield CompiledTimings(_label(config), what, recorded, compiled, first_s)


def _whole_runs(config: Config, way: str, dataset: Dataset, machine: Machine, plan: FullPlan) -> Iterator[WholeRuns]:
    epochs = min(plan.epochs, config.train.epochs)
    config = config.model_copy(update={"train": config.train.model_copy(update={"epochs": epochs})})
    with tempfile.TemporaryDirectory() as folder:
        for what, number, together in (("one run", 1, None), (f"{plan.seeds} seeds, {way}", plan.seeds, way)):
            runs = [(each, folder_of(each, Path(folder, str(number)))) for each in _seeds(config, number)]
            ends = [begun := time.perf_counter()]

            def watch(number: int, event: Event, ends: list[float] = ends) -> None:
                if number == 0 and isinstance(event, EpochDone):
                    ends.append(time.perf_counter())

            records = train_group(runs, dataset, machine, way=together, report=watch)
            seconds = time.perf_counter() - begun
            yield WholeRuns(what, seconds, epochs, ends[-1] - ends[-2], tuple(map(_accuracy, records.values())))


def _label(config: Config) -> str:
    return norm_label(config.norm.name, config.norm.options)


def _seeds(config: Config, number: int) -> list[Config]:
    return [config.for_seed(config.seed + offset) for offset in range(number)]


def _accuracy(record: Record) -> float:
    return record.metrics.held_out.accuracy if record.metrics else float("nan")
