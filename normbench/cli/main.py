"""The command line: assembles the commands, and ends each with a message and an exit code."""

import shlex
import sys
import tempfile
import traceback
from typing import Annotated, NoReturn

import typer

import normbench
from normbench.cli import (
    bench,
    compare,
    config,
    data,
    env,
    explain,
    export,
    norms,
    report,
    runs,
    summary,
    sweep,
    train,
    verdict,
)
from normbench.cli.commands import Command, Commands
from normbench.cli.failure import explained
from normbench.cli.output import say
from normbench.errors import Interrupted, NormbenchError

app = typer.Typer(
    cls=Commands,
    help="Which normalization layer should my small network use, under my batch size and my budget, "
    "and is the difference real?",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(explain.app, name="explain")
app.add_typer(data.app, name="data")
app.add_typer(runs.app, name="runs")
app.add_typer(config.app, name="config")
app.add_typer(export.app, name="export")


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


app.command(cls=Command, epilog=train.EXAMPLE)(train.train)
app.command(cls=Command, epilog=summary.EXAMPLE)(summary.summary)
app.command(cls=Command, epilog=norms.EXAMPLE)(norms.norms)
app.command(cls=Command, epilog=compare.EXAMPLE)(compare.compare)
app.command(cls=Command, epilog=report.EXAMPLE)(report.report)
app.command(cls=Command, epilog=sweep.EXAMPLE)(sweep.sweep)
app.command(cls=Command, epilog=bench.EXAMPLE)(bench.bench)
app.command(cls=Command, epilog=verdict.EXAMPLE)(verdict.verdict)
app.command(cls=Command, epilog=env.EXAMPLE)(env.env)


def main() -> None:
    """The entry point: an error that a user can mend ends in a message and an exit code, a bug in a log file."""
    try:
        app(prog_name="normbench")
    except NormbenchError as error:
        _fail(error)
    except KeyboardInterrupt:  # between commands; most commands handle Ctrl-C themselves
        _fail(Interrupted("stopped"))
    except SystemExit as end:
        if end.code != Interrupted.exit_code:
            raise
        _fail(Interrupted("stopped"))  # after Ctrl-C in any other command typer ends without a word
    except Exception as error:
        if known := explained(error):
            _fail(known)
        report = f"normbench {normbench.__version__}: {shlex.join(sys.argv)}\n\n{traceback.format_exc()}"
        try:
            with tempfile.NamedTemporaryFile("w", prefix="normbench-", suffix=".log", delete=False) as log:
                log.write(report)
            report = log.name
        except OSError:  # the log cannot be written, so stderr has the traceback
            pass
        print(f"normbench: this is a bug in normbench; please report it with {report}", file=sys.stderr)
        sys.exit(1)


def _fail(error: NormbenchError) -> NoReturn:
    say(f"normbench: {error}", style="none")
    sys.exit(error.exit_code)
