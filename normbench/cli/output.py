"""What the commands share: formats, the flags for output, and where text goes."""

from enum import StrEnum
from typing import Annotated

import typer
from rich.console import Console

from normbench.text import printable_lines

Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but results and errors.")]


class TableFormat(StrEnum):
    table = "table"
    md = "md"
    csv = "csv"
    json = "json"
    latex = "latex"


def console(*, stderr: bool = False) -> Console:
    return Console(stderr=stderr, emoji=False)  # or `my_norms:X:` becomes a picture


def say(text: str, *, style: str = "dim") -> None:
    """A message on stderr, whose lines may hold names that somebody else gave."""
    console(stderr=True).print(printable_lines(text), style=style, highlight=False, soft_wrap=True, markup=False)
