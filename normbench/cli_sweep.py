"""`normbench sweep`: every run of a matrix, then the comparison."""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from normbench.cli_options import (
    BatchSize,
    Data,
    DataDir,
    Device,
    Epochs,
    LearningRate,
    Results,
    Set,
    recipe_overrides,
    set_overrides,
)
from normbench.cli_output import Quiet, console, say
from normbench.errors import Interrupted, RunError

if TYPE_CHECKING:
    from normbench.present.sweep import Outcome
    from normbench.runs.worker import Order

EXAMPLE = "Example: [bold]normbench sweep quickstart --jobs 2[/bold]"


def sweep(
    config: Annotated[str, typer.Argument(help="A YAML file with sweep:, or the name of a shipped config.")],
    jobs: Annotated[
        int | None,
        typer.Option("--jobs", "-j", min=1, help="Runs at a time.", show_default="a core each"),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and the time it takes, and stop.")] = False,
    fail_fast: Annotated[
        bool, typer.Option("--fail-fast/--keep-going", help="Stop at the first failure, or go on with the other runs.")
    ] = False,
    epochs: Epochs = None,
    batch_size: BatchSize = None,
    lr: LearningRate = None,
    data: Data = None,
    data_dir: DataDir = None,
    device: Device = "auto",
    results: Results = Path("results"),
    set_: Set = None,
    quiet: Quiet = False,
) -> None:
    """Train every run of a config's matrix that is not finished, several at a time, and compare them."""
    from normbench.config import load_experiment
    from normbench.data import load_dataset
    from normbench.present.pictures import draw_run
    from normbench.present.sweep import follow_sweep, print_plan, run_title
    from normbench.runs.pool import train_all
    from normbench.runs.registries import REGISTRIES
    from normbench.studies.plan import make_plan, orders_for
    from normbench.studies.tune import choose, trials
    from normbench.train.setting import choose_device

    overrides = [*set_overrides(set_), *recipe_overrides(epochs, batch_size, lr, data, data_dir)]
    experiment = load_experiment(config, REGISTRIES, overrides)
    out = console()
    tell = (lambda text: None) if quiet else say
    device = choose_device(device).type
    dataset = load_dataset(experiment.runs[0].data, tell, bar=not quiet and sys.stderr.isatty())

    def train(orders: "Sequence[Order]", what: str, notes: Sequence[str], axes: Sequence[str]) -> None:
        plan = make_plan(orders, dataset, device, jobs, draw_run)
        if not quiet:
            print_plan(plan, what, axes, notes, out)
        if dry_run or not plan.to_do:
            return
        events = train_all(plan.to_do, plan.place, plan.jobs, fail_fast=fail_fast)
        _check(follow_sweep(events, plan, run_title(axes), out, quiet=quiet))

    runs = experiment.runs
    excluded = [f"{experiment.num_excluded} runs are left out by exclude"] if experiment.num_excluded else []
    if experiment.tune:
        tuned = [*experiment.axes, *experiment.tune.grid]
        note = f"{len(experiment.tune.points)} points a norm, on held-out training images; the runs follow"
        train(trials(experiment, results), f"tuning of {experiment.name}", [note], tuned)
        if not dry_run:
            runs = choose(experiment, results)
    train(orders_for(runs, results), experiment.name, excluded, list(experiment.axes))


def _check(outcome: "Outcome") -> None:
    """Raises Interrupted or RunError for a sweep that did not come to its end."""
    if outcome.is_stopped:
        kept = sum(order.folder.checkpoint.exists() for order in outcome.interrupted)
        command = shlex.join(["normbench", *sys.argv[1:]])
        raise Interrupted(f"stopped with {kept} checkpoint(s) kept\nto go on: {command}")
    if outcome.failed:
        failures = "\n".join(f"  {order.folder.path}: {message}" for order, message in outcome.failed)
        raise RunError(f"{len(outcome.failed)} run(s) failed; the same command tries them again:\n{failures}")
