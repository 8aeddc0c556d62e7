"""`normbench runs`: the runs there are, one of them, two beside each other; and their removal."""

import sys
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from normbench.cli.commands import Command, Commands
from normbench.cli.completion import complete_run
from normbench.cli.options import Experiment, Results, RunFolders, Where, conditions
from normbench.cli.output import Format, TableFormat, console, say
from normbench.errors import ConfigError

if TYPE_CHECKING:
    from normbench.runs.folder import RunFolder

app = typer.Typer(cls=Commands, help="The runs there are: list, show, diff, path, rm.", no_args_is_help=True)

Run = Annotated[
    str,
    typer.Argument(
        metavar="RUN", help="Its folder, or its run id or the beginning of it.", autocompletion=complete_run
    ),
]


class Status(StrEnum):
    finished = "finished"
    diverged = "diverged"
    unfinished = "unfinished"
    damaged = "damaged"


@app.command("list", cls=Command, epilog="Example: [bold]normbench runs list --where norm.kind=gn[/bold]")
def list_(
    paths: RunFolders = None,
    experiment: Experiment = None,
    where: Where = None,
    status: Annotated[
        list[Status] | None, typer.Option("--status", "-s", help="Only runs of this status. Repeatable.")
    ] = None,
    format_: Annotated[TableFormat, typer.Option("--format", "-f")] = TableFormat.table,
) -> None:
    """One row per run: norm, seed, setting, status, accuracy, date. Unfinished and damaged runs too."""
    from normbench.analysis.compare.listing import list_runs
    from normbench.present.tables.render import render
    from normbench.present.tables.run_list import run_list

    found = list_runs(paths or [Path("results")], conditions(where, experiment), [each.value for each in status or []])
    if not found:
        raise ConfigError("no run fits; normbench runs list shows all, and normbench train --norm gn makes one")
    render(run_list(found), format_, console())


@app.command(cls=Command, epilog="Example: [bold]normbench runs show gn-s0[/bold]")
def show(
    run: Run,
    results: Results = Path("results"),
    format_: Annotated[
        Format, typer.Option("--format", "-f", help="table, or json: the record itself.")
    ] = Format.table,
) -> None:
    """All that is known of one run: what it scored, its config, its data, its environment."""
    import json

    from normbench.present.tables.render import render
    from normbench.present.tables.run_list import run_facts
    from normbench.runs.find import find_run
    from normbench.runs.read import read_record

    folder = find_run(run, [results])
    record = read_record(folder)
    if format_ is Format.json:
        print(json.dumps(record.to_dict(), indent=2))
    else:
        render(run_facts(folder, record), "table", console())


@app.command(cls=Command, epilog="Example: [bold]normbench runs diff bn-s0 gn-s0[/bold]")
def diff(
    a: Run,
    b: Run,
    results: Results = Path("results"),
    format_: Annotated[TableFormat, typer.Option("--format", "-f")] = TableFormat.table,
) -> None:
    """In what two runs differ: settings, data, environment; and the metrics of both."""
    from normbench.analysis.compare.differences import differences
    from normbench.present.tables.render import render
    from normbench.present.tables.run_list import differences_table
    from normbench.runs.find import find_run
    from normbench.runs.read import read_record

    record_a, record_b = (read_record(find_run(name, [results])) for name in (a, b))
    render(differences_table(record_a, record_b, differences(record_a, record_b)), format_, console())


@app.command(cls=Command, epilog='Example: [bold]ls "$(normbench runs path gn-s0)"[/bold]')
def path(run: Run, results: Results = Path("results")) -> None:
    """The folder of a run."""
    from normbench.runs.find import find_run

    print(find_run(run, [results]).path)


@app.command("rm", cls=Command, epilog="Example: [bold]normbench runs rm gn-s0 --yes[/bold]")
def remove(
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN...",
            help="Each by its folder, its run id or the beginning of it.",
            autocompletion=complete_run,
        ),
    ],
    results: Results = Path("results"),
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Remove runs: the files that normbench wrote, and the folder if nothing else is in it. Asks before."""
    from normbench.runs.find import find_run
    from normbench.runs.remove import files_of, remove_run
    from normbench.text import plural, printable

    folders = list(dict.fromkeys(find_run(name, [results]) for name in runs))
    files = {folder: files_of(folder) for folder in folders}
    for folder in folders:
        if not files[folder]:
            raise ConfigError(f"{printable(folder.path)}: holds no run of normbench; nothing was removed")
    if not yes:
        _ask(files)
    for folder in folders:
        left = remove_run(folder)
        kept = f"; {plural(len(left), 'file')} that normbench did not write stayed" if left else ""
        say(f"removed {printable(folder.path)}{kept}")


def _ask(files: "Mapping[RunFolder, list[Path]]") -> None:
    """Raises ConfigError where nobody can answer, and ends the command if the answer is no."""
    from normbench.text import plural, printable

    num_bytes = sum(file.stat().st_size for listed in files.values() for file in listed)
    what = f"{plural(len(files), 'run')} ({plural(sum(map(len, files.values())), 'file')}, {num_bytes / 1e6:.1f} MB)"
    if not sys.stdin or not sys.stdin.isatty():
        raise ConfigError(f"rm removes {what} and asks before: give --yes where nobody can answer")
    for folder in files:
        say(f"  {printable(folder.path)}", style="none")
    typer.confirm(f"Remove {what}?", abort=True)
