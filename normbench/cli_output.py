"""What the commands share: formats, the flags for output, and where text goes."""

from enum import StrEnum
from typing import Annotated

import typer
from rich.console import Console

Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but results and errors.")]


class TableFormat(StrEnum):
    table = "table"
    md = "md"
    csv = "csv"
    json = "json"
    latex = "latex"


def console(*, stderr: bool = False) -> Console:
    return Console(stderr=stderr, emoji=False)  # or `my_norms:X:` becomes a picture


def say(text: str) -> None:
    console(stderr=True).print(text, style="dim", highlight=False, soft_wrap=True, markup=False)
