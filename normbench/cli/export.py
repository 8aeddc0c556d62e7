"""`normbench export`: finished runs for other tools."""

from pathlib import Path
from typing import Annotated

import typer

from normbench.cli.commands import Command, Commands
from normbench.cli.options import RunFolders, Where
from normbench.cli.output import Quiet, check_output, console, say
from normbench.text import plural

app = typer.Typer(
    cls=Commands, help="Finished runs for other tools: csv, parquet, tensorboard, mlflow.", no_args_is_help=True
)


@app.command("csv", cls=Command, epilog="Example: [bold]normbench export csv --output epochs.csv[/bold]")
def csv_(
    paths: RunFolders = None,
    where: Where = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The file.", show_default="stdout", callback=check_output)
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Every epoch of every run in one table: one row per run and epoch."""
    from normbench.export.history import exported_runs, history
    from normbench.files import write_bytes_atomically
    from normbench.present.tables.formats.data import csv_text
    from normbench.present.tables.formats.output import put

    runs, notes = exported_runs(paths or [Path("results")], where or [])
    rows, more = history(runs)
    if output is None:
        put(csv_text(rows).rstrip("\n"), console())
    else:
        write_bytes_atomically(output, csv_text(rows).encode())
    done = f"{plural(len(runs), 'run')}, {plural(len(rows), 'row')}: {output}" if output else ""
    _say([*notes, *more], done, quiet=quiet)


@app.command(cls=Command, epilog="Example: [bold]normbench export parquet epochs.parquet[/bold]")
def parquet(
    output: Annotated[Path, typer.Argument(metavar="FILE", help="The file.", callback=check_output)],
    paths: RunFolders = None,
    where: Where = None,
    quiet: Quiet = False,
) -> None:
    """The table of csv as Parquet. Needs the extra normbench\\[parquet]."""
    from normbench.export.history import exported_runs, history
    from normbench.export.parquet import write_parquet

    runs, notes = exported_runs(paths or [Path("results")], where or [])
    rows, more = history(runs)
    write_parquet(rows, output)
    _say([*notes, *more], f"{plural(len(runs), 'run')}, {plural(len(rows), 'row')}: {output}", quiet=quiet)


@app.command(cls=Command, epilog="Example: [bold]normbench export tensorboard events[/bold]")
def tensorboard(
    output: Annotated[Path, typer.Argument(metavar="FOLDER", help="The folder for event files.")],
    paths: RunFolders = None,
    where: Where = None,
    quiet: Quiet = False,
) -> None:
    """Event files for TensorBoard: the curves of each run, and its settings. Needs the extra normbench\\[tensorboard].

    Exporting again writes over the files of the same runs, so nothing is there twice.
    """
    from normbench.export.history import exported_runs
    from normbench.export.tensorboard import write_events

    runs, notes = exported_runs(paths or [Path("results")], where or [])
    more = write_events(runs, output)
    _say([*notes, *more], f"{plural(len(runs), 'run')}: tensorboard --logdir {output}", quiet=quiet)


@app.command(cls=Command, epilog="Example: [bold]normbench export mlflow --to sqlite:///mlflow.db[/bold]")
def mlflow(
    paths: RunFolders = None,
    to: Annotated[
        str, typer.Option("--to", metavar="STORE", help="MLflow's tracking store: a database, or the URL of a server.")
    ] = "sqlite:///mlflow.db",
    where: Where = None,
    quiet: Quiet = False,
) -> None:
    """MLflow runs: one per norm with mean, interval and verdicts, and below it one per seed. Needs normbench\\[mlflow].

    Exporting again leaves what is there alone, and writes runs anew that have changed.
    """
    from normbench.analysis.compare.comparisons import comparisons
    from normbench.export.mlflow import write_mlflow

    found = comparisons(paths or [Path("results")], where or [], most=None)
    written, unchanged = write_mlflow(found.shown, to)
    done = f"{plural(written, 'run')} written, {unchanged:,} there already: mlflow ui --backend-store-uri {to}"
    _say(list(found.notes), done, quiet=quiet)


def _say(notes: list[str], done: str, *, quiet: bool) -> None:
    if quiet:
        return
    for note in notes:
        say(f"note: {note}")
    if done:
        say(done)
