"""A table as text: drawn on a terminal, aligned elsewhere, and as Markdown."""

import re
from collections.abc import Callable, Sequence

from rich.console import Console

from normbench.present.tables.formats.output import put
from normbench.present.tables.formats.terminal import answer_lines, print_on_terminal
from normbench.present.tables.table import Table, joined

# The text formats are not tabulate's: it widens each header by two signs, and no argument turns that off.


def print_text(table: Table, console: Console) -> None:
    """On a terminal, fitted to its width; elsewhere one line per row, however long."""
    if console.is_terminal:
        print_on_terminal(table, console)
        return
    rows = (line.rstrip() for line in _aligned(_lines(table), "  ", table.num_text_columns))
    blocks = [[table.title, *answer_lines(table.answers)], list(rows), [*table.footer, *table.notes]]
    put("\n\n".join("\n".join(block) for block in blocks if block), console)


def print_markdown(table: Table, console: Console) -> None:
    lines = _lines(table, escape_markdown)
    header, *body = (f"| {line} |" for line in _aligned(lines, " | ", table.num_text_columns))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rule = "|".join(
        f":{'-' * (width + 1)}" if index < table.num_text_columns else f"{'-' * (width + 1)}:"
        for index, width in enumerate(widths)
    )
    answers = [f"- **{answer.word}**: {escape_markdown(answer.sentence)}" for answer in table.answers]
    notes = [f"- {escape_markdown(note)}" for note in (*table.footer, *table.notes)]
    blocks = [[f"**{escape_markdown(table.title)}**"], answers, [header, f"|{rule}|", *body], notes]
    put("\n\n".join("\n".join(block) for block in blocks if block) + "\n", console)


def escape_markdown(text: str) -> str:
    escaped = re.sub(r"([\\`*|]|(?<=\])[(:\[])", r"\\\1", text)  # after a ] these signs would make a link
    return escaped.replace("&", "&amp;").replace("<", "&lt;").replace("\n", " ")


def _lines(table: Table, escape: Callable[[str], str] = str) -> list[list[str]]:
    """Headers and rows as text, one line each."""
    return [[escape(joined(cell)) for cell in row] for row in (table.columns, *table.rows)]


def _aligned(lines: Sequence[Sequence[str]], gap: str, num_text_columns: int) -> list[str]:
    """The lines with their cells in columns, `gap` between two: text flush left, numbers flush right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        gap.join(
            text.ljust(width) if index < num_text_columns else text.rjust(width)
            for index, (text, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    ]
