"""`normbench sweep`: every run of a matrix, then the comparison."""

import shlex
import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from normbench.cli.options import (
    BatchSize,
    Data,
    DataDir,
    Device,
    Epochs,
    LearningRate,
    NoPlugins,
    Results,
    Set,
    Threads,
    recipe_overrides,
    set_overrides,
)
from normbench.cli.output import Quiet, console, say
from normbench.errors import ConfigError, Interrupted, RunError

if TYPE_CHECKING:
    from normbench.analysis.compare.compare import Options
    from normbench.analysis.stats.sequential import PairDecision
    from normbench.config import Config as RunConfig
    from normbench.present.terminal.sweep import Outcome
    from normbench.sweeps.worker import Order

EXAMPLE = "Example: [bold]normbench sweep quickstart --jobs 2[/bold]"


class Together(StrEnum):
    auto = "auto"
    off = "off"
    lanes = "lanes"
    wide = "wide"


def sweep(
    config: Annotated[str, typer.Argument(help="A YAML file with sweep:, or the name of a shipped config.")],
    jobs: Annotated[
        int | None, typer.Option("--jobs", "-j", min=1, help="Runs at a time.", show_default="a core each")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and the time it takes, and stop.")] = False,
    threads: Threads = None,
    fail_fast: Annotated[
        bool, typer.Option("--fail-fast/--keep-going", help="Stop at the first failure, or go on with the other runs.")
    ] = False,
    together: Annotated[
        Together,
        typer.Option(
            "--together",
            help="How the seeds of a norm train: off, each alone; lanes or wide, all in the same steps; "
            "auto, off on a CPU, else the faster of the two.",
        ),
    ] = Together.auto,
    until_decided: Annotated[
        bool, typer.Option("--until-decided", help="Add seeds until each pair of norms is decided.")
    ] = False,
    max_seeds: Annotated[
        int, typer.Option("--max-seeds", min=2, help="The most seeds that --until-decided takes.")
    ] = 30,
    delta: Annotated[float, typer.Option("--delta", help="The difference that matters, in points of accuracy.")] = 0.5,
    baseline: Annotated[
        str | None, typer.Option("--baseline", help="The norm that others are compared with.", show_default="bn")
    ] = None,
    epochs: Epochs = None,
    batch_size: BatchSize = None,
    lr: LearningRate = None,
    data: Data = None,
    data_dir: DataDir = None,
    device: Device = "auto",
    results: Results = Path("results"),
    set_: Set = None,
    no_plugins: NoPlugins = False,
    quiet: Quiet = False,
) -> None:
    """Train every run of a config's matrix that is not finished, several at a time, and compare them."""
    if not 0 < delta <= 100:
        raise ConfigError(f"--delta {delta:g}: give points of accuracy, above 0, e.g. 0.5")
    from normbench.analysis.compare.compare import Options
    from normbench.config import load_experiment
    from normbench.data import load_dataset
    from normbench.files import make_writable
    from normbench.present.terminal.sweep import follow_sweep, print_decisions, print_plan, run_title
    from normbench.runs.misfits import find_misfits
    from normbench.runs.pictures import draw_run
    from normbench.runs.registries import registries
    from normbench.sweeps.plan import make_plan, orders_for
    from normbench.sweeps.pool import train_all
    from normbench.sweeps.tune import choose, trials
    from normbench.sweeps.until_decided import judge, make_design, runs_at
    from normbench.train.setting import choose_device

    overrides = [*set_overrides(set_), *recipe_overrides(epochs, batch_size, lr, data, data_dir)]
    known, misfits = registries(plugins=not no_plugins), find_misfits(within_budget=True)
    experiment = load_experiment(config, known, overrides, misfits)
    name, axes = experiment.name, list(experiment.axes)
    out = console()
    tell = (lambda text: None) if quiet else say
    device = choose_device(device).type
    dataset = load_dataset(experiment.runs[0].data, tell, bar=not quiet and sys.stderr.isatty())

    def train(orders: "Sequence[Order]", what: str, axes: Sequence[str], note: str = "") -> None:
        plan = make_plan(orders, dataset, device, jobs, threads, draw_run, together)
        if not quiet:
            print_plan(plan, what, axes, note, out)
        if dry_run:
            return
        for order in plan.done:
            order.folder.tidy()
        if plan.to_do:
            make_writable(results / name)
            events = train_all(plan.to_do, plan.place, plan.jobs, fail_fast=fail_fast)
            try:
                outcome = follow_sweep(events, plan, run_title(axes), out, quiet=quiet)
            except KeyboardInterrupt as stop:  # the second one
                raise Interrupted(f"stopped at once\nto go on: {_command()}") from stop
            _check(outcome)

    runs: Sequence[RunConfig] = experiment.runs
    if experiment.tune:
        note = f"{len(experiment.tune.points)} points a norm, on held-out training images; the runs follow"
        train(trials(experiment, results), f"tuning of {name}", [*axes, *experiment.tune.grid], note)
        if not dry_run:
            runs = choose(experiment, results)
    if until_decided:
        design = make_design(experiment, runs, delta, max_seeds, results)
        looks = ", ".join(map(str, design.looks))
        decisions: tuple[PairDecision, ...] = ()
        for look, num_seeds in enumerate(design.looks):
            runs = runs_at(design, look, decisions)
            note = f"{num_seeds} seeds a norm; looks are planned at {looks}"
            train(orders_for(runs, results), f"{name}, look {look + 1} of {len(design.looks)}", axes, note)
            if dry_run:
                return
            decisions = judge(design, look, results)
            if not quiet:
                print_decisions(decisions, out)
            if not any(pair.goes_on for pair in decisions):
                break
        runs = design.runs_so_far(results)
    else:
        note = f"{experiment.num_excluded} runs are left out by exclude" if experiment.num_excluded else ""
        train(orders_for(runs, results), name, axes, note)
    if not dry_run:
        by = next((axis for axis in axes if axis.partition(".")[0] != "norm"), None)
        options = Options(baseline, all_pairs=until_decided, delta=delta, by=by)
        _compare([order.folder.path for order in orders_for(runs, results)], options, quiet=quiet)


def _compare(folders: list[Path], options: "Options", *, quiet: bool) -> None:
    """The comparison of the sweep's runs, as `compare` prints it; where it refuses, the refusal is no failure."""
    from normbench.analysis.compare.load import compare_runs
    from normbench.present.report.document import render_document
    from normbench.present.report.tables import answer, default_tables

    try:
        comparison, warnings = compare_runs(folders, [], options)
    except ConfigError as refusal:
        say(f"all runs are finished; {refusal}")
        return
    tables, more = answer(comparison, default_tables(comparison))
    render_document(tables, "table", console(), {}, [])
    if not quiet:
        for warning in [*warnings, *more]:
            say(f"note: {warning}")


def _check(outcome: "Outcome") -> None:
    """Raises Interrupted or RunError for a sweep that did not come to its end."""
    if outcome.is_stopped or (outcome.interrupted and not outcome.failed):  # or somebody stopped a process of ours
        kept = sum(order.folder.checkpoint.exists() for order in outcome.interrupted)
        raise Interrupted(f"stopped with {kept} checkpoint(s) kept\nto go on: {_command()}")
    if outcome.failed:
        failures = "\n".join(f"  {order.folder.path}: {message}" for order, message in outcome.failed)
        raise RunError(f"{len(outcome.failed)} run(s) failed; the same command tries them again:\n{failures}")


def _command() -> str:
    return shlex.join(["normbench", *sys.argv[1:]])
