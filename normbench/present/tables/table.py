"""A table: rows for people, records for programs, and the sentences around them. `render` prints it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from normbench.errors import ConfigError
from normbench.text import unknown_name

Cell = str | tuple[str, ...]
"""Text, or pieces of text between which a narrow terminal may break the line: ("79.52", "[79.14,", "79.90]")."""

NOT_KNOWN = "-"
"""A cell without a number."""

Value = str | int | float | bool | None

Kind = Literal["real", "equivalent", "undecided", "no verdict"]


@dataclass(frozen=True)
class Answer:
    """What the runs say about one pair of norms: a word, and the sentence that gives its numbers."""

    word: Kind
    sentence: str


@dataclass(frozen=True)
class Table:
    """`rows` for people, and `records`, one per row, for programs: full precision, one value per key.

    `title` names the data. `answers` stand between title and rows, `footer` right below the rows: what differs among
    the runs, which no option leaves out. `notes` explain; the most important ones come first. LaTeX makes the
    caption of these unless there is a `caption`, and has `name` as the label.

    The first `num_text_columns` are text, flush left; the others are numbers, flush right. `wraps`: the last column of
    text holds sentences, which a narrow terminal may break between any two words. `dispensable` are titles of columns
    that a terminal leaves out where it is too narrow for all, the first of them first.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    records: tuple[Mapping[str, Value], ...]
    notes: tuple[str, ...] = ()
    num_text_columns: int = 1
    wraps: bool = False
    name: str = ""
    caption: str = ""
    answers: tuple[Answer, ...] = ()
    footer: tuple[str, ...] = ()
    dispensable: tuple[str, ...] = ()


def with_columns(table: Table, names: Sequence[str]) -> Table:
    """The table with its columns of text, and of the others those named, in that order.

    A name is a title; case, spaces and punctuation do not count. Raises ConfigError for an unknown one.
    """
    places = {_plain_name(title): place for place, title in enumerate(table.columns)}
    for name in names:
        if _plain_name(name) not in places:
            raise ConfigError(f"--columns: {unknown_name('column', name, table.columns)}")
    chosen = (places[_plain_name(name)] for name in names)
    return at_places(table, list(dict.fromkeys([*range(table.num_text_columns), *chosen])))


def has_column(table: Table, name: str) -> bool:
    """Whether a column has this title, but for case, spaces and punctuation."""
    return _plain_name(name) in map(_plain_name, table.columns)


def without(table: Table, title: str) -> Table:
    """The table without the columns of that title."""
    return at_places(table, [place for place, column in enumerate(table.columns) if column != title])


def at_places(table: Table, places: Sequence[int]) -> Table:
    """The table with the columns at these indices only, in their order."""
    columns = tuple(table.columns[place] for place in places)
    return replace(
        table,
        columns=columns,
        rows=tuple(tuple(row[place] for place in places) for row in table.rows),
        num_text_columns=sum(place < table.num_text_columns for place in places),
        dispensable=tuple(title for title in table.dispensable if title in columns),
    )


def with_keys(table: Table, names: Sequence[str]) -> Table:
    """The table with the named keys of its records only: the columns of csv. Raises ConfigError for an unknown one."""
    known = list(table.records[0]) if table.records else []
    for name in names:
        if known and name not in known:
            raise ConfigError(f"--columns: {unknown_name('column of csv', name, known)}")
    return replace(table, records=tuple({name: record[name] for name in names} for record in table.records))


def joined(cell: Cell, pieces: int = 1) -> str:
    """The cell on one line; on two if `pieces` is 2, broken after its first piece."""
    if isinstance(cell, str):
        return cell
    if pieces == 2 and len(cell) > 1:
        return f"{cell[0]}\n{' '.join(cell[1:])}"
    return " ".join(cell)


def _plain_name(title: str) -> str:
    return re.sub(r"[^a-z0-9]", "", title.lower())
