"""The command line: assembles the commands, and ends each with a message and an exit code."""

import shlex
import sys
import tempfile
import traceback
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

import normbench
from normbench.cli import bench, compare, explain, norms, summary, sweep, train
from normbench.cli.output import say
from normbench.errors import ConfigError, Interrupted, NormbenchError, resource_error
from normbench.text import nearest, shortened


class _Commands(TyperGroup):
    """The commands. A name that is none of them may be meant as a config, which `sweep` takes."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            from normbench.config import shipped_configs

            commands = self.list_commands(ctx)
            full = {command: command for command in commands} | {name: f"sweep {name}" for name in shipped_configs()}
            near = nearest(name, full)
            hint = f"did you mean 'normbench {full[near]}'? " if near else ""
            raise ConfigError(f"unknown command {shortened(repr(name))}: {hint}known: {', '.join(commands)}")
        return super().resolve_command(ctx, args)


app = typer.Typer(
    cls=_Commands,
    help="Which normalization layer should my small network use, under my batch size and my budget, "
    "and is the difference real?",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(explain.app, name="explain")


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


app.command(epilog=train.EXAMPLE)(train.train)
app.command(epilog=summary.EXAMPLE)(summary.summary)
app.command(epilog=norms.EXAMPLE)(norms.norms)
app.command(epilog=compare.EXAMPLE)(compare.compare)
app.command(epilog=sweep.EXAMPLE)(sweep.sweep)
app.command(epilog=bench.EXAMPLE)(bench.bench)


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
        if explained := resource_error(error):
            _fail(explained)
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
