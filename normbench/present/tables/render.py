"""Prints a table in one of the formats."""

from collections.abc import Callable

from rich.console import Console

from normbench.errors import ConfigError
from normbench.present.tables.formats.data import print_csv, print_json
from normbench.present.tables.formats.latex import print_latex
from normbench.present.tables.formats.text import print_markdown, print_text
from normbench.present.tables.table import Table
from normbench.text import unknown_name


def render(table: Table, format: str, console: Console) -> None:
    """Prints `table` on `console`: table, md, csv, json or latex. Raises ConfigError for another format.

    `table` is drawn on a terminal and aligned plain text elsewhere; csv and json hold `records` and no notes.
    """
    if format not in FORMATS:
        raise ConfigError(unknown_name("format", format, FORMATS))
    FORMATS[format](table, console)


FORMATS: dict[str, Callable[[Table, Console], None]] = {
    "table": print_text,
    "md": print_markdown,
    "csv": print_csv,
    "json": print_json,
    "latex": print_latex,
}
