"""A table for a paper: booktabs, a caption, a label, minus signs, and a size with which it fits the page."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from rich.console import Console

from normbench.present.tables.formats.output import put
from normbench.present.tables.formats.terminal import headers
from normbench.present.tables.table import NOT_KNOWN, Table, joined, without
from normbench.text import printable

PAGE, COLUMN = 469.0, 240.0
"""Points: the text block of a page, 6.5 inches, and a column of a page with two."""


class _Size(NamedTuple):
    command: str
    factor: float
    """Of the width of 10 point type."""
    gap: int
    """Points on each side of a column."""
    lines: int
    """Of the header."""


_SIZES = (
    _Size("", 1.0, 6, 1),
    _Size("", 1.0, 6, 2),
    _Size("", 1.0, 4, 2),
    _Size(r"\small", 0.92, 4, 2),
    _Size(r"\footnotesize", 0.85, 3, 2),
)

_WIDTHS = ((re.compile("[A-Z%+−]"), 7.8), (re.compile("[a-z0-9]"), 5.0), (re.compile("."), 3.9))
"""Points per sign, at 10 point in Computer Modern; rounded up."""

_SIGNS = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "[": "{[}",  # after \\ LaTeX reads a bracket as a length
    "−": "$-$",
    "±": r"$\pm$",
    "≈": r"$\approx$",
    "×": r"$\times$",
    "·": r"$\cdot$",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
}

_MINUS = re.compile(r"(?<![\w.)\]])-(?=[\d.])|(?<= )-(?= )")
"""The hyphen before a number, and the one between two names with spaces around it."""


def print_latex(table: Table, console: Console) -> None:
    table, size = _sized(table)
    width = _width(table, size)
    is_scaled = width > PAGE
    environment = "table*" if width > COLUMN else "table"  # over both columns of a page that has two
    columns = "l" * table.num_text_columns + "r" * (len(table.columns) - table.num_text_columns)
    body = (
        f"\\begin{{tabular}}{{@{{}}{columns}@{{}}}}",
        "  \\toprule",
        *(f"  {line}" for line in _head(table, size.lines)),
        "  \\midrule",
        *(f"  {' & '.join(latex(joined(cell)) for cell in row)} \\\\" for row in table.rows),
        "  \\bottomrule",
        "\\end{tabular}",
    )
    lines = [
        f"% needs \\usepackage{{booktabs{',graphicx' if is_scaled else ''}}}",
        *(f"% {printable(text)}" for text in _comments(table)),
        f"\\begin{{{environment}}}",
        "  \\centering",
        "  \\setlength{\\belowcaptionskip}{4pt}",
        f"  \\caption{{{latex(_caption(table))}}}",
        *([f"  \\label{{{_label(table.name)}}}"] if table.name else []),
        *([f"  {size.command}"] if size.command else []),
        f"  \\setlength{{\\tabcolsep}}{{{size.gap}pt}}",
        *(["  \\resizebox{\\textwidth}{!}{%"] if is_scaled else []),
        *(f"  {line}" for line in body),
        *(["  }"] if is_scaled else []),
        f"\\end{{{environment}}}",
    ]
    put("\n".join(lines) + "\n", console)


def latex(text: str) -> str:
    """The text with LaTeX's own signs escaped, and real minus signs."""
    return "--" if text == NOT_KNOWN else "".join(_SIGNS.get(sign, sign) for sign in _MINUS.sub("−", text))


def _label(name: str) -> str:
    """`tab:norms`; a name with a colon is a label already."""
    safe = re.sub(r"[^\w:.+-]", "-", name.replace("_", "-"))
    return safe if ":" in safe else f"tab:{safe}"


def _head(table: Table, num_lines: int) -> Iterator[str]:
    lines = (header.split("\n") for header in headers(table, num_lines))
    for line in zip(*lines, strict=True):
        yield f"{' & '.join(map(latex, line))} \\\\"


def _caption(table: Table) -> str:
    """The title, what differs among the runs, and how to read the numbers."""
    if table.caption:
        return table.caption
    sentences = (table.title, *table.footer, *table.notes[:1])
    return " ".join(sentence if sentence.endswith((".", "?")) else f"{sentence}." for sentence in sentences)


def _comments(table: Table) -> Iterator[str]:
    yield from (f"{answer.word}: {answer.sentence}" for answer in table.answers)
    yield from table.footer if table.caption else ()
    yield from table.notes if table.caption else table.notes[1:]


def _sized(table: Table) -> tuple[Table, _Size]:
    """The table at the largest size that fits a page; where none does, without its dispensable columns."""
    for size in _SIZES:
        if _width(table, size) <= PAGE:
            return table, size
    if table.dispensable:
        return _sized(without(table, table.dispensable[0]))
    return table, _SIZES[-1]


def _width(table: Table, size: _Size) -> float:
    """Points."""
    lines = [headers(table, size.lines), *([joined(cell) for cell in row] for row in table.rows)]
    widths = (max(_points(part) for text in column for part in text.split("\n")) for column in zip(*lines, strict=True))
    return size.factor * sum(widths) + 2 * size.gap * (len(table.columns) - 1)


def _points(text: str) -> float:
    return sum(next(width for signs, width in _WIDTHS if signs.match(sign)) for sign in text)
