"""A table on a terminal: the columns that fit its width, and the answers coloured.

No cell is cut off with an ellipsis. Where a table is too wide, its headers take two lines; then its dispensable columns
are left out; then its cells take two lines; then its columns follow one another in blocks.
"""

import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import replace

from rich.box import SIMPLE, Box
from rich.console import Console, JustifyMethod
from rich.table import Table as RichTable
from rich.text import Text

from normbench.present.tables.formats.output import shown
from normbench.present.tables.table import Answer, Kind, Table, at_places, joined, without

_SIGNS: dict[Kind, str] = {"real": "●", "equivalent": "≈", "undecided": "?", "no verdict": "–"}
_COLOURS: dict[Kind, str] = {
    "real": "bold green",
    "equivalent": "bold cyan",
    "undecided": "bold magenta",
    "no verdict": "bold",
}
"""Readable on a dark and on a light background."""

_UNBROKEN = re.compile(r"\[[^\]]*\]|\b[pn] [=<] [\d.]+(?: and \d+)?")
"""An interval, or a number with its name: a line does not end within."""

_NO_BREAK = "\N{NO-BREAK SPACE}"

_IN_ASCII = Box(str(SIMPLE).replace("─", "-"), ascii=True)

_WORD = max(map(len, _SIGNS))
_INDENT = " " * (2 + _WORD + 2)
_SENTENCE = 22  # columns: a narrower sentence is hard to read
_GAP = 2

_Layout = tuple[int, int]
"""Lines of a cell, and lines of a header."""

_LAYOUTS: tuple[_Layout, ...] = ((1, 1), (1, 2), (2, 2))


def print_on_terminal(table: Table, console: Console) -> None:
    table = fitted(table, console.width)
    console.print(Text(shown(table.title, console), style="bold"), overflow="fold")
    for answer in table.answers:
        console.print(_answer(answer, console))
    for block, layout in _blocks(table, console.width):
        _print_grid(block, layout, console)
    for style, texts in (("", table.footer), ("dim", table.notes)):
        for text in texts:
            console.print(Text(shown(text, console), style=style), overflow="fold")


def fitted(table: Table, width: int) -> Table:
    """The table without so many of its dispensable columns that it fits a terminal of `width` columns, if that does."""
    for title in table.dispensable:
        if _width(table, (1, 2)) <= width:
            break
        table = without(table, title)
    return table


def num_lines(text: str, console: Console) -> int:
    """The lines that the text takes on a terminal; elsewhere it is never broken."""
    return len(Text(text).wrap(console, console.width)) if console.is_terminal else 1


def answer_lines(answers: Sequence[Answer]) -> list[str]:
    """One line for each answer, the word in a column of its own."""
    return [f"{_lead(answer)}{answer.sentence}" for answer in answers]


def _lead(answer: Answer) -> str:
    return f"{_SIGNS[answer.word]} {answer.word:<{_WORD}}  "


def _answer(answer: Answer, console: Console) -> Text:
    """The word in its colour; a sentence of several lines stays beside it."""
    whole = _UNBROKEN.sub(lambda found: found.group().replace(" ", _NO_BREAK), shown(answer.sentence, console))
    width = max(console.width - len(_INDENT), _SENTENCE)
    lines = textwrap.wrap(whole, width, break_long_words=False, break_on_hyphens=False)
    sentence = f"\n{_INDENT}".join(lines).replace(_NO_BREAK, " ")
    return Text.assemble((shown(_lead(answer), console), _COLOURS[answer.word]), sentence)


def _blocks(table: Table, width: int) -> Iterator[tuple[Table, _Layout]]:
    """The table with the layout that fits; without one, tables of as many of its columns as fit beside the first."""
    narrowest = _LAYOUTS[-1]
    layout = next((layout for layout in _LAYOUTS if _width(table, layout) <= width), None)
    if layout or len(table.columns) < 3:
        yield table, layout or narrowest
        return
    rest = list(range(1, len(table.columns)))
    while rest:
        parts = (at_places(table, [0, *rest[:count]]) for count in range(len(rest), 0, -1))
        block = next((part for part in parts if _width(part, narrowest) <= width), at_places(table, [0, rest[0]]))
        layout = next((layout for layout in _LAYOUTS if _width(block, layout) <= width), narrowest)
        yield block, layout
        rest = rest[len(block.columns) - 1 :]


def _print_grid(table: Table, layout: _Layout, console: Console) -> None:
    lines_of_cell, _ = layout
    rows = [[shown(joined(cell, lines_of_cell), console) for cell in row] for row in table.rows]
    is_too_wide = _width(table, layout) > console.width
    is_broken = _width(replace(table, wraps=False), layout) > console.width or any(
        "\n" in cell for row in rows for cell in row
    )
    grid = RichTable(
        box=SIMPLE if console.encoding.lower().startswith("utf") else _IN_ASCII,
        padding=(0, _GAP - 1, 0, 0),
        leading=int(is_broken),
    )
    for place, header in enumerate(headers(table, layout[1])):
        justify: JustifyMethod = "left" if place < table.num_text_columns else "right"
        grid.add_column(
            Text(shown(header, console)),
            justify=justify,
            no_wrap=not (is_too_wide or _wraps(table, place)),
            overflow="fold",
        )
    for row in rows:
        grid.add_row(*map(Text, row))
    console.print(grid)


def headers(table: Table, lines: int) -> list[str]:
    """The titles on one line; on two if `lines` is 2, broken after the first word, if any has several words."""
    if lines == 1:
        return list(table.columns)
    broken = [column.replace(" ", "\n", 1) for column in table.columns]
    height = max(header.count("\n") for header in broken)
    return ["\n" * (height - header.count("\n")) + header for header in broken]  # headers stand on the rule below them


def _width(table: Table, layout: _Layout) -> int:
    """The width of the grid: columns, the gap beside each, one of its spaces the border, and the left border."""
    lines = [headers(table, layout[1]), *([joined(cell, layout[0]) for cell in row] for row in table.rows)]
    widths = [max(len(part) for text in column for part in text.split("\n")) for column in zip(*lines, strict=True)]
    least = [min(width, _SENTENCE) if _wraps(table, place) else width for place, width in enumerate(widths)]
    return sum(least) + _GAP * len(table.columns) + 1


def _wraps(table: Table, place: int) -> bool:
    return table.wraps and place == table.num_text_columns - 1
