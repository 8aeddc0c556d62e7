"""`normbench sweep`: every run of a matrix, then the comparison."""

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from normbench.cli.completion import complete_assignment, complete_config, complete_norm
from normbench.cli.figure_options import FigureFormat, Figures, NoTitle, Width, figure_request
from normbench.cli.limits import MOST_RUNS, MOST_THREADS
from normbench.cli.options import (
    BatchSize,
    Data,
    DataDir,
    Device,
    Epochs,
    Groups,
    LearningRate,
    Model,
    NoPlugins,
    Override,
    Results,
    Set,
    Threads,
    given,
    recipe_overrides,
    set_overrides,
)
from normbench.cli.output import Quiet, Report, TableFormat, console, loading, progress_console, say, show_log
from normbench.cli.several import (
    Name,
    Norms,
    by_overrides,
    default_name,
    each_once,
    norms_override,
    seeds_override,
)
from normbench.cli.unused import refuse_without
from normbench.errors import ConfigError, Interrupted
from normbench.plots.layout import FigureRequest
from normbench.sweeps.options import Options, Rounds
from normbench.text import shortened

EXAMPLE = "Example: [bold]normbench sweep --norm bn --norm gn --norm ln --seeds 10[/bold]"


class Together(StrEnum):
    auto = "auto"
    off = "off"
    lanes = "lanes"
    wide = "wide"


def sweep(
    context: typer.Context,
    config: Annotated[
        str | None,
        typer.Argument(
            help="A YAML file, with sweep: or without, or the name of a shipped config.",
            show_default="default",
            autocompletion=complete_config,
        ),
    ] = None,
    norm: Norms = None,
    groups: Groups = None,
    model: Model = None,
    seeds: Annotated[
        int | None,
        typer.Option("--seeds", min=1, max=MOST_RUNS, help="So many seeds: 0, 1, ...", show_default="the config's"),
    ] = None,
    by: Annotated[
        list[str] | None,
        typer.Option(
            "--by",
            help="Also along a key of the config, e.g. --by train.batch_size=8,32. Repeatable.",
            autocompletion=complete_assignment,
        ),
    ] = None,
    name: Name = None,
    jobs: Annotated[
        int | None,
        typer.Option("--jobs", "-j", min=1, max=MOST_THREADS, help="Runs at a time.", show_default="one on each core"),
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
    on: Annotated[
        str | None,
        typer.Option(
            "--on",
            metavar="ray[=ADDRESS]",
            help="Train on the nodes of a Ray cluster. Needs normbench[ray].",
            show_default="this machine",
        ),
    ] = None,
    until_decided: Annotated[
        bool, typer.Option("--until-decided", help="Add seeds until each pair of norms is decided.")
    ] = False,
    max_seeds: Annotated[
        int, typer.Option("--max-seeds", min=2, max=MOST_RUNS, help="The most seeds that --until-decided takes.")
    ] = 30,
    delta: Annotated[float, typer.Option("--delta", help="The difference that matters, in points of accuracy.")] = 0.5,
    baseline: Annotated[
        str | None,
        typer.Option(
            "--baseline",
            help="The norm that others are compared with.",
            show_default="bn",
            autocompletion=complete_norm,
        ),
    ] = None,
    epochs: Epochs = None,
    batch_size: BatchSize = None,
    lr: LearningRate = None,
    data: Data = None,
    data_dir: DataDir = None,
    device: Device = "auto",
    results: Results = Path("results"),
    set_: Set = None,
    format_: Annotated[TableFormat, typer.Option("--format", "-f", help="Of the comparison.")] = TableFormat.table,
    figures: Figures = None,
    figure_format: FigureFormat = None,
    width: Width = None,
    no_title: NoTitle = False,
    report: Report = None,
    no_plugins: NoPlugins = False,
    quiet: Quiet = False,
) -> None:
    """Train norms with several seeds, several runs at a time, and compare them. Finished runs are not trained again.

    Norms, seeds and further keys come from flags, from a config, or from a config and flags.
    """
    if not 0 < delta <= 100:
        raise ConfigError(f"--delta {delta:g}: give points of accuracy, above 0, e.g. 0.5")
    if not until_decided:
        refuse_without("--until-decided", context, ["max_seeds"])
    if not norm:
        refuse_without("--norm", context, ["groups"])
    drawn = figure_request(figures, figure_format, width, no_title=no_title)
    axes = [*norms_override(each_once(norm), groups), *by_overrides(by)]
    if config is None and not axes and seeds is None and not set_:
        raise ConfigError(
            "nothing to compare: name norms, such as normbench sweep --norm bn --norm gn --seeds 10, or a config, such "
            "as normbench sweep quickstart"
        )
    usual_name: list[Override] = [("name", default_name(by_overrides(by)), "")] if config is None else []
    overrides = [
        *usual_name,
        *set_overrides(set_),
        *given(("name", name, "--name")),
        *axes,
        *([] if seeds is None else seeds_override(range(seeds), "--seeds")),
        *recipe_overrides(model, epochs, batch_size, lr, data, data_dir),
    ]
    rounds = Rounds(max_seeds, delta) if until_decided else None
    options = Options(results, jobs, together, fail_fast, dry_run, rounds, ray=ray_address(on))
    machine = MachineFlags(device, threads)
    comparison = ComparisonFlags(baseline, delta, format_, drawn, report)
    train_and_compare(config, overrides, options, machine, comparison, no_plugins=no_plugins, quiet=quiet)


def ray_address(on: str | None) -> str | None:
    """The address in `--on ray=ADDRESS`, `auto` without one. Raises ConfigError for anything but Ray."""
    if on is None:
        return None
    where, separator, address = on.partition("=")
    if where.strip() != "ray" or (separator and not address.strip()):
        raise ConfigError(f"--on {shortened(on)}: give ray, or ray=ADDRESS, such as --on ray=10.0.0.1:6379")
    return address.strip() or "auto"


@dataclass(frozen=True)
class MachineFlags:
    """The flags that choose where runs compute."""

    device: str
    threads: int | None


@dataclass(frozen=True)
class ComparisonFlags:
    """The flags of the comparison at the end of a sweep."""

    baseline: str | None = None
    delta: float = 0.5
    format: TableFormat = TableFormat.table
    figures: FigureRequest | None = None
    report: Path | None = None


def train_and_compare(
    config: str | None,
    overrides: Sequence[Override],
    options: Options,
    machine: MachineFlags,
    comparison: ComparisonFlags,
    *,
    no_plugins: bool,
    quiet: bool,
) -> None:
    """Trains every run of the experiment that is not finished, and prints their comparison.

    Raises what `load_experiment`, `load_dataset` and `run_sweep` raise; Interrupted names the command to go on with.
    """
    from normbench.config import load_experiment
    from normbench.runs.registries import registries
    from normbench.runs.validate import check_parts

    show_log(quiet=quiet)
    known, check = registries(plugins=not no_plugins), check_parts(within_budget=True, needs_data=True)
    with loading(quiet=quiet):
        experiment = load_experiment(config, known, overrides, check)
        from normbench.data.load import load_dataset
        from normbench.present.terminal.sweep import SweepView
        from normbench.sweeps.run import run_sweep
        from normbench.train.machine import Machine, choose_device

    here = Machine(choose_device(machine.device), machine.threads)
    dataset = load_dataset(experiment.runs[0].data, bar=not quiet and sys.stderr.isatty())
    screen = progress_console(stderr=comparison.format is not TableFormat.table)
    try:
        with SweepView(screen, quiet=quiet) as view:
            runs = run_sweep(experiment, dataset, here, options, view.show)
    except Interrupted as stop:
        raise Interrupted(f"{stop}\nto go on: {same_command()}") from stop
    if options.dry_run:
        return
    if not quiet:
        screen.print()
    folder = options.results / experiment.name
    _compare(folder, [run.path for run in runs], comparison, all_pairs=options.rounds is not None, quiet=quiet)
    if not quiet:
        screen.print()
        _print_next(folder, screen)


def same_command() -> str:
    """This command as it was given, without --restart, which would begin anew."""
    return shlex.join(["normbench", *(word for word in sys.argv[1:] if word != "--restart")])


def _print_next(experiment: Path, screen: Console) -> None:
    """Prints the folder of the runs, and the command that shows their comparison again, with figures."""
    from normbench.present.terminal.run import print_fields

    command = shlex.join(["normbench", "compare", str(experiment), "--figures", "figures"])
    print_fields({"folder": str(experiment), "next": command}, screen)


def _compare(
    experiment: Path, folders: Sequence[Path], flags: ComparisonFlags, *, all_pairs: bool, quiet: bool
) -> None:
    """The comparison of the sweep's runs in the folder of the experiment, as `compare` prints and draws it."""
    from normbench.analysis.compare.compare import Options as Wishes
    from normbench.analysis.compare.comparisons import comparisons
    from normbench.present.report.document import View
    from normbench.present.report.figures import draw_comparisons, figure_needs
    from normbench.present.report.sets import Wanted, render_comparisons

    needs = figure_needs(None) if flags.figures or flags.report else set()
    wishes = Wishes(flags.baseline, all_pairs=all_pairs, delta=flags.delta)
    found = comparisons(folders, options=wishes, needs=needs, most=None)
    view = View(flags.format, notes=False, quiet=quiet, way="compare ")
    notes = render_comparisons(found, Wanted(), view, console())
    if not quiet:
        for note in notes:
            say(f"note: {note}")
    if flags.figures:
        draw_comparisons(found, flags.figures)
    if flags.report:
        from normbench.present.page.page import write_page

        write_page(flags.report, found, [str(experiment)], images=True)
        if not quiet:
            say(f"written: {flags.report}")
