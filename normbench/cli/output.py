"""Output that the commands share: the table formats, --quiet, and the consoles of stdout and stderr."""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from normbench.cli.streams import lasting
from normbench.errors import ConfigError
from normbench.text import printable_lines

Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but results, warnings and errors.")]


class Format(StrEnum):
    """The formats of commands that print text and blocks of numbers beside tables."""

    table = "table"
    json = "json"


class TableFormat(StrEnum):
    table = "table"
    md = "md"
    csv = "csv"
    json = "json"
    latex = "latex"


def console(*, stderr: bool = False) -> Console:
    return Console(stderr=stderr, emoji=False)  # emoji would turn `my_norms:x:` into a picture


def progress_console(*, stderr: bool = False) -> Console:
    """A console for lines about training, which goes on when they can no longer be written; so does all of stderr."""
    return Console(file=None if stderr else lasting(sys.stdout, _say_that_output_ends), stderr=stderr, emoji=False)


def _say_that_output_ends(reason: str) -> None:
    say(f"note: the output can no longer be written ({reason}); what is trained is recorded all the same")


def say(text: str, *, style: str = "dim") -> None:
    """Print a message on stderr; control characters in it, such as those of a file's name, are escaped."""
    console(stderr=True).print(printable_lines(text), style=style, highlight=False, soft_wrap=True, markup=False)


def check_output(path: Path | None, param: typer.CallbackParam) -> Path | None:
    """The file that an option or argument names, refused while the command line is parsed if it cannot be written."""
    if path is None:
        return None
    option = param.opts[0]  # of an argument, its name in Python
    where = f"{option} {path}" if option.startswith("-") else str(path)
    if not path.absolute().parent.is_dir():
        raise ConfigError(f"{where}: there is no folder {path.parent}")
    if path.is_dir():
        raise ConfigError(f"{where}: is a folder; name a file")
    if not os.access(path.absolute().parent, os.W_OK):
        raise ConfigError(f"{where}: cannot be written: its folder is read-only")
    return path


Report = Annotated[
    Path | None,
    typer.Option("--report", metavar="FILE", help="Also write the page of `report`.", callback=check_output),
]


@contextmanager
def loading(*, quiet: bool = False) -> Iterator[None]:
    """Within, a line on a terminal says that PyTorch is imported, which takes seconds; then the line is erased."""
    text = "loading PyTorch ..."
    is_shown = not quiet and sys.stderr.isatty()
    if is_shown:
        print(text, end="\r", file=sys.stderr, flush=True)
    try:
        yield
    finally:
        if is_shown:
            print(" " * len(text), end="\r", file=sys.stderr, flush=True)


class _SayHandler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        say(record.getMessage())


def show_log(*, quiet: bool) -> None:
    """Print what the package logs on stderr from now on; with `quiet` only warnings, as they cast doubt on results."""
    logger = logging.getLogger("normbench")
    logger.setLevel(logging.WARNING if quiet else logging.INFO)
    logger.handlers = [_SayHandler()]
