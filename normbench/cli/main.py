"""The command line: parse, call one function, print, exit."""

import json
import shlex
import sys
import tempfile
import traceback
from contextlib import nullcontext
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, NoReturn

import typer

import normbench
from normbench.cli import bench, compare, explain, sweep
from normbench.cli.options import (
    BatchSize,
    Config,
    Data,
    DataDir,
    Device,
    Epochs,
    Groups,
    LearningRate,
    NoPlugins,
    Norm,
    Results,
    Set,
    Threads,
    given,
    norm_overrides,
    recipe_overrides,
    set_overrides,
)
from normbench.cli.output import Quiet, TableFormat, console, say
from normbench.errors import Interrupted, NormbenchError, RunError, trouble_of_the_machine

app = typer.Typer(
    help="Which normalization layer should my small network use, under my batch size and my budget, "
    "and is the difference real?",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(explain.app, name="explain")


class SummaryFormat(StrEnum):
    table = "table"
    json = "json"


def _version(asked: bool) -> None:
    if asked:
        print(f"normbench {normbench.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    pass


@app.command(epilog="Example: [bold]normbench train --norm gn --data synthetic[/bold]")
def train(
    norm: Norm = None,
    config: Config = "default",
    groups: Groups = None,
    seed: Annotated[int | None, typer.Option("--seed", "-s", help="Seeds init, order, augmentation, dropout.")] = None,
    epochs: Epochs = None,
    batch_size: BatchSize = None,
    lr: LearningRate = None,
    data: Data = None,
    data_dir: DataDir = None,
    device: Device = "auto",
    threads: Threads = None,
    results: Results = Path("results"),
    set_: Set = None,
    restart: Annotated[bool, typer.Option("--restart", help="Begin anew what is finished or half done.")] = False,
    no_plugins: NoPlugins = False,
    quiet: Quiet = False,
) -> None:
    """Train one run: one norm, one seed, one recipe. Run again, it goes on where it was stopped."""
    overrides = [
        *set_overrides(set_),
        *norm_overrides(norm, groups),
        *given(("seeds", None if seed is None else [seed], "--seed")),
        *recipe_overrides(epochs, batch_size, lr, data, data_dir),
    ]
    from normbench.config import load_config
    from normbench.data import load_dataset
    from normbench.present.terminal.run import follow, print_result
    from normbench.runs.execute import execute, folder_of
    from normbench.runs.misfits import find_misfits
    from normbench.runs.pictures import draw_run
    from normbench.runs.registries import registries
    from normbench.train.setting import using_threads

    resolved = load_config(config, registries(plugins=not no_plugins), overrides, find_misfits(within_budget=True))
    out = console()
    tell = (lambda text: None) if quiet else say
    if len(resolved.seeds) > 1:
        tell(f"the config names seeds {', '.join(map(str, resolved.seeds))}: training the first; --seed picks another")
    resolved = resolved.for_seed(resolved.seed)
    folder = folder_of(resolved, results)
    load = partial(load_dataset, bar=not quiet and sys.stderr.isatty())
    events = execute(resolved, folder, device, say=tell, draw=draw_run, restart=restart, load=load)
    try:
        with using_threads(threads) if threads else nullcontext():
            record = follow(events, out, quiet=quiet)
    except (Interrupted, KeyboardInterrupt) as stop:
        command = shlex.join(["normbench", *(word for word in sys.argv[1:] if word != "--restart")])
        raise Interrupted(f"{str(stop) or 'stopped at once'}\nto go on: {command}") from stop
    print_result(record, folder.path, out)
    if record.diverged:
        where = record.diverged
        raise RunError(
            f"the run diverged: the loss was {where.loss} in epoch {where.epoch}, step {where.step}; "
            f"it is recorded as such in {folder.record}. A lower learning rate (--lr) usually helps."
        )


@app.command(epilog="Example: [bold]normbench summary --norm gn --groups 8[/bold]")
def summary(
    norm: Norm = None,
    config: Config = "default",
    groups: Groups = None,
    set_: Set = None,
    no_plugins: NoPlugins = False,
    format_: Annotated[SummaryFormat, typer.Option("--format", "-f", help="table or json.")] = SummaryFormat.table,
) -> None:
    """The network with a norm: layers, parameters, multiply-adds, receptive field, budget. Needs no data."""
    from normbench.config import load_config
    from normbench.models.summary import summarize
    from normbench.norms import norm_label
    from normbench.present.terminal.network import print_summary
    from normbench.runs.misfits import find_misfits
    from normbench.runs.registries import build_network, registries

    overrides = [*set_overrides(set_), *norm_overrides(norm, groups)]
    resolved = load_config(config, registries(plugins=not no_plugins), overrides, find_misfits(within_budget=False))
    found = summarize(build_network(resolved, num_classes=10), resolved.budget.max_parameters)
    label = norm_label(resolved.norm.name, resolved.norm.options)
    if format_ is SummaryFormat.json:
        print(json.dumps({"label": label} | found.as_dict(), indent=2))
    else:
        print_summary(found, label, console())


@app.command(epilog="Example: [bold]normbench norms --time[/bold]")
def norms(
    time_: Annotated[
        bool, typer.Option("--time", "-t", help="Also measure a training step of each on this machine, against bn.")
    ] = False,
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="Steps of each norm that --time takes.")] = 10,
    device: Annotated[str, typer.Option("--device", help="Where --time measures: auto, cpu or cuda.")] = "auto",
    no_plugins: NoPlugins = False,
    format_: Annotated[TableFormat, typer.Option("--format", "-f")] = TableFormat.table,
    quiet: Quiet = False,
) -> None:
    """Every norm there is: what it does, what it learns and stores, and what it costs. Needs no data."""
    from normbench.bench.step_times import relative_step_times
    from normbench.config import Config as Defaults
    from normbench.models.norm_cards import norm_cards
    from normbench.norms import OUR_SHELF, SHELF
    from normbench.present.tables.norm_cards import norm_table
    from normbench.present.tables.table import render

    cards, notes = norm_cards(Defaults().budget.max_parameters, OUR_SHELF if no_plugins else SHELF)
    times = None
    if time_:
        if not quiet:
            say(f"timing {len(cards)} norms, {rounds} steps each in turn")
        times = relative_step_times([card.kind for card in cards], rounds, device)
    render(norm_table(cards, times), format_, console())
    if not quiet:
        for note in notes:
            say(f"note: {note}")


app.command(epilog=compare.EXAMPLE)(compare.compare)
app.command(epilog=sweep.EXAMPLE)(sweep.sweep)
app.command(epilog=bench.EXAMPLE)(bench.bench)


def main() -> None:
    """The entry point: whatever a user can mend is one message and an exit code, a bug is a log file."""
    try:
        app(prog_name="normbench")
    except NormbenchError as error:
        _fail(error)
    except KeyboardInterrupt:  # before or after the command, which has its own ways
        _fail(Interrupted("stopped"))
    except Exception as error:
        if trouble := trouble_of_the_machine(error):
            _fail(trouble)
        report = f"normbench {normbench.__version__}: {shlex.join(sys.argv)}\n\n{traceback.format_exc()}"
        try:
            with tempfile.NamedTemporaryFile("w", prefix="normbench-", suffix=".log", delete=False) as log:
                log.write(report)
            report = log.name
        except OSError:  # nowhere to write it: shown
            pass
        print(f"normbench: this is a bug in normbench; please report it with {report}", file=sys.stderr)
        sys.exit(1)


def _fail(error: NormbenchError) -> NoReturn:
    say(f"normbench: {error}", style="none")
    sys.exit(error.exit_code)
