"""A table, and the formats it can be printed in. No cell is ever cut off with an ellipsis."""

import csv
import io
import json
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from rich.box import SIMPLE
from rich.console import Console, JustifyMethod
from rich.table import Table as RichTable
from rich.text import Text

from normbench.errors import ConfigError
from normbench.text import unknown_name

Cell = str | tuple[str, ...]
"""Text, or pieces of text between which a narrow terminal may break the line: ("79.52", "[79.14,", "79.90]")."""

_SENTENCE = 22  # columns: a narrower sentence is hard to read

_LAYOUTS = ((1, 2), (2, 2), (3, 2), (3, 1))  # (lines of a cell, spaces between columns), widest first

Value = str | int | float | bool | None


@dataclass(frozen=True)
class Table:
    """`rows` for people, and `records`, one a row, for programs: full precision, one value a key.

    The first `num_text_columns` are text, flush left; the others are numbers, flush right. `wraps`: the last column of
    text holds sentences, which a narrow terminal may break between any two words.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    records: tuple[Mapping[str, Value], ...]
    notes: tuple[str, ...] = ()
    num_text_columns: int = 1
    wraps: bool = False


def render(table: Table, format: str, console: Console) -> None:
    """Prints `table` on `console`: table, md, csv, json or latex. Raises ConfigError for another format.

    `table` is drawn on a terminal and aligned plain text elsewhere; csv and json hold `records` and no notes.
    """
    if format not in FORMATS:
        raise ConfigError(unknown_name("format", format, FORMATS))
    FORMATS[format](table, console)


def _table(table: Table, console: Console) -> None:
    if not console.is_terminal:
        put(_plain(table), console)
        return
    fitting = ((pieces, gap) for pieces, gap in _LAYOUTS if _width(table, pieces, gap) <= console.width)
    layout = next(fitting, None)
    if layout is None:
        _stacked(table, console)
    else:
        _grid(table, *layout, console)
    for note in table.notes:
        console.print(Text(note, style="dim"), highlight=False, overflow="fold")


def _grid(table: Table, pieces: int, gap: int, console: Console) -> None:
    rows = [[_joined(cell, pieces) for cell in row] for row in table.rows]
    is_broken = table.wraps or any("\n" in text for row in rows for text in row)
    console.print(Text(table.title, style="bold"), overflow="fold")
    grid = RichTable(box=SIMPLE, padding=(0, gap - 1, 0, 0), leading=int(is_broken))
    for index, header in enumerate(_headers(table, pieces)):
        justify: JustifyMethod = "left" if index < table.num_text_columns else "right"
        grid.add_column(Text(header), justify=justify, no_wrap=not _wraps(table, index))
    for row in rows:
        grid.add_row(*map(Text, row))
    console.print(grid)


def _stacked(table: Table, console: Console) -> None:
    """A block of lines a row, for a terminal too narrow for any grid."""
    console.print(Text(table.title, style="bold"), overflow="fold")
    width = max(map(len, table.columns[1:]))
    for name, *cells in table.rows:
        console.print()
        console.print(Text(_joined(name, 1), style="bold"), overflow="fold")
        for column, cell in zip(table.columns[1:], cells, strict=True):
            lines = textwrap.wrap(_joined(cell, 1), max(console.width - width - 4, 1)) or [""]
            text = ("\n" + " " * (width + 4)).join(lines)
            console.print(Text(f"  {column:<{width}}  {text}"), overflow="fold")
    console.print()


def _headers(table: Table, pieces: int) -> list[str]:
    if pieces == 1:
        return list(table.columns)
    broken = [column.replace(" ", "\n") for column in table.columns]
    height = max(header.count("\n") for header in broken)
    return ["\n" * (height - header.count("\n")) + header for header in broken]  # headers stand on the rule below them


def _joined(cell: Cell, pieces: int) -> str:
    """The cell on `pieces` lines: on two, broken after its first piece; on three, after each piece."""
    if isinstance(cell, str):
        return cell
    if pieces == 2 and len(cell) > 1:
        return f"{cell[0]}\n{' '.join(cell[1:])}"
    return (" " if pieces == 1 else "\n").join(cell)


def _width(table: Table, pieces: int, gap: int) -> int:
    """The width of the grid: columns, `gap` spaces a column, one of them the border, and the left border."""
    lines = [_headers(table, pieces), *([_joined(cell, pieces) for cell in row] for row in table.rows)]
    widths = [max(len(part) for text in column for part in text.split("\n")) for column in zip(*lines, strict=True)]
    least = [min(width, _SENTENCE) if _wraps(table, index) else width for index, width in enumerate(widths)]
    return sum(least) + gap * len(table.columns) + 1


def _wraps(table: Table, column: int) -> bool:
    return table.wraps and column == table.num_text_columns - 1


# The text formats are not tabulate's: it widens each header by two signs, and no argument turns that off.


def _lines(table: Table, escape: Callable[[str], str] = str) -> list[list[str]]:
    """Headers and rows as text, a line each."""
    rows = (table.columns, *table.rows)
    return [[escape(_joined(cell, 1)) for cell in row] for row in rows]


def _plain(table: Table) -> str:
    aligned = (line.rstrip() for line in _aligned(_lines(table), "  ", table.num_text_columns))
    return "\n".join([table.title, "", *aligned, "", *table.notes])


def _aligned(lines: Sequence[Sequence[str]], gap: str, num_text_columns: int) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        gap.join(
            text.ljust(width) if index < num_text_columns else text.rjust(width)
            for index, (text, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    ]


def _markdown(table: Table, console: Console) -> None:
    lines = _lines(table, _escape_markdown)
    header, *body = (f"| {line} |" for line in _aligned(lines, " | ", table.num_text_columns))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rule = "|".join(
        f":{'-' * (width + 1)}" if index < table.num_text_columns else f"{'-' * (width + 1)}:"
        for index, width in enumerate(widths)
    )
    notes = [f"- {_escape_markdown(note)}" for note in table.notes]
    put("\n".join([f"**{_escape_markdown(table.title)}**", "", header, f"|{rule}|", *body, "", *notes]), console)


def _escape_markdown(text: str) -> str:
    escaped = re.sub(r"([\\`*|]|(?<=\])[(:\[])", r"\\\1", text)  # after a ] these signs would make a link
    return escaped.replace("&", "&amp;").replace("<", "&lt;").replace("\n", " ")


def _csv(table: Table, console: Console) -> None:
    text = io.StringIO(newline="")
    keys = list(table.records[0]) if table.records else []
    writer = csv.DictWriter(text, keys, lineterminator="\n")
    for record in ({key: key for key in keys}, *table.records):  # the header too: a key may come from a foreign record
        writer.writerow({key: _guarded(value) for key, value in record.items()})
    put(text.getvalue().rstrip("\n"), console)


_FORMULA = (
    "=",
    "+",
    "-",
    "@",
    "\t",
    "\r",
    "\n",
    "＝",
    "＋",
    "－",
    "＠",
)  # some spreadsheets accept the full-width signs too


def _guarded(value: Value) -> Value:
    """Text that a spreadsheet would run as a formula gets an apostrophe, which marks it as text."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _json(table: Table, console: Console) -> None:
    put(json.dumps([dict(record) for record in table.records], indent=2, allow_nan=False, ensure_ascii=False), console)


def _latex(table: Table, console: Console) -> None:
    header, *rows = (" & ".join(line) for line in _lines(table, _escape_latex))
    lines = [
        "% needs \\usepackage{booktabs}",
        "\\begin{table}",
        "  \\centering",
        f"  \\caption{{{_escape_latex(table.title)}}}",
        f"  \\begin{{tabular}}{{{'l' * table.num_text_columns}{'r' * (len(table.columns) - table.num_text_columns)}}}",
        "    \\toprule",
        f"    {header} \\\\",
        "    \\midrule",
        *(f"    {row} \\\\" for row in rows),
        "    \\bottomrule",
        "  \\end{tabular}",
        *(f"  \\par\\footnotesize {_escape_latex(note)}" for note in table.notes),
        "\\end{table}",
    ]
    put("\n".join(lines), console)


_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "[": "{[}",  # after \\ LaTeX reads a bracket as a length
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
}


def _escape_latex(text: str) -> str:
    return "".join(_LATEX.get(sign, sign) for sign in text)


def put(text: str, console: Console) -> None:
    """Prints the text without wrapping or styling; signs that the output cannot encode become escapes."""
    encoding = console.encoding or "utf-8"
    console.out(text.encode(encoding, "backslashreplace").decode(encoding), highlight=False)


FORMATS: dict[str, Callable[[Table, Console], None]] = {
    "table": _table,
    "md": _markdown,
    "csv": _csv,
    "json": _json,
    "latex": _latex,
}
