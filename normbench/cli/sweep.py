"""`normbench sweep`: every run of a matrix, then the comparison."""

import shlex
import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from normbench.cli.completion import complete_config
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
from normbench.cli.output import Quiet, console, loading, say, show_log
from normbench.errors import ConfigError, Interrupted

EXAMPLE = "Example: [bold]normbench sweep quickstart --jobs 2[/bold]"


class Together(StrEnum):
    auto = "auto"
    off = "off"
    lanes = "lanes"
    wide = "wide"


def sweep(
    config: Annotated[
        str,
        typer.Argument(
            help="A YAML file with sweep:, or the name of a shipped config.", autocompletion=complete_config
        ),
    ],
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
    from normbench.config import load_experiment
    from normbench.runs.registries import registries
    from normbench.runs.validate import check_parts

    show_log(quiet=quiet)
    overrides = [*set_overrides(set_), *recipe_overrides(epochs, batch_size, lr, data, data_dir)]
    known, check = registries(plugins=not no_plugins), check_parts(within_budget=True)
    with loading(quiet=quiet):
        experiment = load_experiment(config, known, overrides, check)
        from normbench.data.load import load_dataset
        from normbench.present.terminal.sweep import SweepView
        from normbench.sweeps.run import Options, Rounds, run_sweep
        from normbench.train.machine import Machine, choose_device

    machine = Machine(choose_device(device), threads)
    dataset = load_dataset(experiment.runs[0].data, bar=not quiet and sys.stderr.isatty())
    rounds = Rounds(max_seeds, delta) if until_decided else None
    options = Options(results, jobs, together, fail_fast, dry_run, rounds)
    try:
        with SweepView(console(), quiet=quiet) as view:
            runs = run_sweep(experiment, dataset, machine, options, view.show)
    except Interrupted as stop:
        raise Interrupted(f"{stop}\nto go on: {shlex.join(['normbench', *sys.argv[1:]])}") from stop
    if not dry_run:
        _compare([run.path for run in runs], baseline, delta, all_pairs=until_decided, quiet=quiet)


def _compare(folders: Sequence[Path], baseline: str | None, delta: float, *, all_pairs: bool, quiet: bool) -> None:
    """The comparison of the sweep's runs, as `compare` prints it."""
    from normbench.analysis.compare.compare import Options
    from normbench.analysis.compare.comparisons import comparisons
    from normbench.present.report.document import View
    from normbench.present.report.sets import Wanted, render_comparisons

    found = comparisons(folders, options=Options(baseline, all_pairs=all_pairs, delta=delta), most=None)
    notes = render_comparisons(found, Wanted(), View(quiet=quiet), console())
    if not quiet:
        for note in notes:
            say(f"note: {note}")
