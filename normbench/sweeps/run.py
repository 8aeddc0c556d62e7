"""A sweep from its experiment to its finished runs: tuning, rounds of seeds, training."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field

from normbench.analysis.stats.sequential import PairDecision
from normbench.config import Config, Experiment
from normbench.data.dataset import Dataset
from normbench.data.place import named_place
from normbench.data.sources.registry import PLACED_SOURCES
from normbench.errors import Interrupted, NormbenchError, RunError
from normbench.files import make_writable
from normbench.locks import check_locks
from normbench.runs.events import Finished, Unfinished
from normbench.runs.execute import tidy
from normbench.runs.folder import RunFolder, is_trial
from normbench.sweeps.cluster import RayCluster, num_groups
from normbench.sweeps.executor import Executor
from normbench.sweeps.options import Options, Rounds
from normbench.sweeps.pictures import Draw, drawing, drawn_beside
from normbench.sweeps.plan import Plan, make_plan, requests_for
from normbench.sweeps.pool import LocalPool, prepare_start
from normbench.sweeps.queue import QueueEvent, RunEvent, Stopping, train_all
from normbench.sweeps.record import keep_plan
from normbench.sweeps.tune import choose, trials
from normbench.sweeps.until_decided import judge, keep_design, make_design, runs_at
from normbench.sweeps.worker import RunRequest
from normbench.train.machine import Machine


@dataclass(frozen=True)
class Planning:
    """A part of the sweep is about to be planned, for which a few steps are measured."""


@dataclass(frozen=True)
class Planned:
    """A part of the sweep (the tuning, a round, all runs) is planned; `trains`: its training follows.

    `axes`: the config keys by which its runs differ. `note`: a line about it, or nothing.
    """

    title: str
    plan: Plan
    axes: tuple[str, ...]
    note: str
    trains: bool


@dataclass(frozen=True)
class Trained:
    """The runs that were planned last are over."""


@dataclass(frozen=True)
class Judged:
    """The state of each pair of norms after a round."""

    decisions: tuple[PairDecision, ...]


SweepEvent = Planning | Planned | QueueEvent | Trained | Judged
Report = Callable[[SweepEvent], None]


def run_sweep(
    experiment: Experiment, dataset: Dataset, machine: Machine, options: Options, report: Report
) -> list[RunFolder]:
    """Trains every run of an experiment that is not finished; returns the folders of the runs to compare.

    A sweep that is tuned trains its trials first. `report` is called with each event. After a dry run no folder is
    returned. Raises what `make_plan`, `choose` and `make_design` raise, RunError if runs failed, Interrupted if the
    sweep was stopped.
    """
    sweep = _Sweep(experiment, dataset, machine, options, report)
    runs = sweep.tuned() if experiment.tune else experiment.runs
    if options.rounds:
        runs = sweep.train_in_rounds(runs, options.rounds)
    else:
        left_out = experiment.num_excluded
        note = f"{left_out} runs are left out by exclude" if left_out else ""
        sweep.train(
            requests_for(runs, options.results, restart=options.restart), experiment.name, experiment.axes, note
        )
    return [] if options.dry_run else [request.folder for request in requests_for(runs, options.results)]


@dataclass(frozen=True)
class _Sweep:
    experiment: Experiment
    dataset: Dataset
    machine: Machine
    options: Options
    report: Report

    def tuned(self) -> Sequence[Config]:
        """The experiment's runs with what the trials chose; after a dry run, as they are."""
        experiment, results = self.experiment, self.options.results
        assert experiment.tune is not None
        note = f"{len(experiment.tune.points)} points a norm, on held-out training images; the runs follow"
        axes = [*experiment.axes, *experiment.tune.grid]
        self.train(trials(experiment, results), f"tuning of {experiment.name}", axes, note)
        return experiment.runs if self.options.dry_run else choose(experiment, results)

    def train_in_rounds(self, runs: Sequence[Config], rounds: Rounds) -> Sequence[Config]:
        """Trains round after round until each pair is decided; returns the runs that are finished.

        A dry run plans the first round.
        """
        experiment, results = self.experiment, self.options.results
        design = make_design(experiment, runs, rounds.delta, rounds.max_seeds, results)
        if not self.options.dry_run:
            keep_design(design, results)
        looks = ", ".join(map(str, design.looks))
        decisions: tuple[PairDecision, ...] = ()
        for look, num_seeds in enumerate(design.looks):
            requests = requests_for(runs_at(design, look, decisions), results)
            note = f"{num_seeds} seeds a norm; looks are planned at {looks}"
            self.train(requests, f"{experiment.name}, look {look + 1} of {len(design.looks)}", experiment.axes, note)
            if self.options.dry_run:
                break
            decisions = judge(design, look, results)
            self.report(Judged(decisions))
            if not any(pair.goes_on for pair in decisions):
                break
        return design.runs_so_far(results)

    def train(self, requests: Sequence[RunRequest], title: str, axes: Iterable[str], note: str) -> None:
        """Plans the runs and trains those that are not finished, unless this is a dry run."""
        options = self.options
        jobs = options.jobs
        if options.ray is not None:
            jobs = jobs or num_groups(options.ray, self.machine)
        elif not options.dry_run and not all(request.folder.is_finished for request in requests):
            prepare_start()
        self.report(Planning())
        plan = make_plan(requests, self.dataset, self.machine, jobs, options.together, keep=not options.dry_run)
        trains = bool(plan.to_do) and not options.dry_run
        notes = [note, "on the nodes of a Ray cluster" if options.ray is not None else ""]
        self.report(Planned(title, plan, tuple(axes), "; ".join(filter(None, notes)), trains))
        if options.dry_run:
            return
        for request in plan.done:
            tidy(request.config, request.folder, lambda: self.dataset)
        if not trains:
            with suppress(NormbenchError):  # the results may be another user's, and are shown all the same
                self.keep_plan(requests)
            return
        make_writable(options.results / self.experiment.name)
        check_locks(options.results / self.experiment.name)
        self.keep_plan(requests)
        outcome = _Outcome(self.report)
        try:
            with drawing(self.dataset) if drawn_beside(plan.machine) else nullcontext() as draw:
                outcome.draw = draw
                train_all(plan.to_do, self.executor(plan), outcome.watch, fail_fast=options.fail_fast)
        except KeyboardInterrupt as stop:  # the second one
            raise Interrupted("stopped at once") from stop
        self.report(Trained())
        outcome.check()

    def executor(self, plan: Plan) -> Executor:
        options = self.options
        if options.ray is None:
            return LocalPool(plan.machine, plan.jobs)
        data = self.experiment.runs[0].data
        place = named_place(data.dir)[0] if data.source in PLACED_SOURCES else None
        return RayCluster(options.ray, plan.machine, options.jobs, options.results / self.experiment.name, place)

    def keep_plan(self, requests: Sequence[RunRequest]) -> None:
        """Writes `sweep.json`, unless the requests are the trials of a tuning."""
        folders = [request.folder.path for request in requests]
        if not any(map(is_trial, folders)):
            experiment = self.experiment
            keep_plan(self.options.results / experiment.name, experiment.axes, [folder.name for folder in folders])


@dataclass
class _Outcome:
    """The runs that ended without a record; passes each event on.

    draw: has the pictures of a finished run drawn, where the process that trained it did not.
    """

    report: Report
    draw: Draw | None = None
    failed: list[tuple[RunRequest, str]] = field(default_factory=list)
    interrupted: list[RunRequest] = field(default_factory=list)
    is_stopped: bool = False

    def watch(self, event: QueueEvent) -> None:
        match event:
            case RunEvent(request=request, event=Unfinished(status="failed", message=message)):
                self.failed.append((request, message))
            case RunEvent(request=request, event=Unfinished(status="interrupted")):
                self.interrupted.append(request)
            case RunEvent(request=request, event=Finished(already=False)) if self.draw:
                self.draw(request.config, request.folder)
            case Stopping():
                self.is_stopped = True
        self.report(event)

    def check(self) -> None:
        """Raises Interrupted or RunError for a sweep that did not come to its end."""
        if self.is_stopped or (self.interrupted and not self.failed):  # the latter: a worker was stopped from outside
            kept = sum(request.folder.checkpoint.exists() for request in self.interrupted)
            raise Interrupted(f"stopped with {kept} checkpoint(s) kept")
        if self.failed:
            failures = "\n".join(f"  {request.folder.path}: {message}" for request, message in self.failed)
            raise RunError(f"{len(self.failed)} run(s) failed; the same command tries them again:\n{failures}")
