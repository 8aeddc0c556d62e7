"""The comparisons of several sets of runs as one document: what there is, then the tables of each set."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rich.console import Console
from rich.text import Text

from normbench.analysis.compare.compare import Comparison
from normbench.analysis.compare.comparisons import Comparisons
from normbench.errors import ConfigError
from normbench.present.report.document import View, as_document, comparison_head, render_document
from normbench.present.report.tables import answer, default_tables
from normbench.present.tables.formats.data import put_json
from normbench.present.tables.formats.output import put, shown
from normbench.present.tables.formats.text import escape_markdown
from normbench.present.tables.overview import overview_table
from normbench.present.tables.render import render
from normbench.present.tables.table import Table, has_column, with_columns
from normbench.text import capped, printable

MOST_MISSING = 5
"""Notes on files of runs that are missing or damaged."""


@dataclass(frozen=True)
class Wanted:
    """The default tables, more of them if `full`, and those `asked` for, or the table `only`.

    `to_accuracy`, in %, is for the table time_to.
    """

    asked: Collection[str] = ()
    full: bool = False
    only: str | None = None
    to_accuracy: float | None = None


@dataclass(frozen=True)
class _Part:
    """The tables of one set, by name; `title` tells it from the other sets."""

    title: str
    comparison: Comparison
    tables: dict[str, Table]


def render_comparisons(found: Comparisons, wanted: Wanted, view: View, console: Console) -> list[str]:
    """Prints all, in csv the first table of the first set only; returns what a reader should know besides.

    Raises ConfigError for a table that none of the sets has.
    """
    parts, missing = _parts(found, wanted, view.format)
    notes = [*found.notes, *capped(missing, MOST_MISSING, "like these")]
    sets = overview_table(found.overview, len(found.shown), found.possible_axes)
    if view.format == "json":
        if view.columns:
            raise ConfigError("--columns: json has every number; choose columns of table, md, csv or latex")
        put_json(_document(found, parts, sets, notes), console)
    elif view.format == "csv":
        render_document(_with_differs(parts[0]), view, console, {}, [])
        notes += _not_in_csv(found, parts)
    else:
        _print(found, parts, sets, view, console)
    return notes


def _parts(found: Comparisons, wanted: Wanted, format: str) -> tuple[list[_Part], list[str]]:
    """The sets that have any of the tables, and notes on files that were missing or damaged."""
    parts: list[_Part] = []
    notes: list[str] = []
    refusals: list[ConfigError] = []
    for number, (comparison, row) in enumerate(zip(found.shown, found.overview, strict=False), 1):
        names = [*default_tables(comparison, full=wanted.full), *wanted.asked]
        if format == "json":
            names = ["norms", *names, *(["pairs"] if comparison.pairs else [])]  # always in JSON, for programs
        try:
            tables, more = answer(
                comparison, [wanted.only] if wanted.only else names, wanted.to_accuracy, verdicts=wanted.only is None
            )
        except ConfigError as refusal:
            refusals.append(refusal)
            continue
        title = f"Set {number} of {len(found.overview)}: {', '.join([*row.experiments, *row.apart])}"
        parts.append(_Part(title, comparison, tables))
        notes += more
    if not parts:
        raise refusals[0]
    return parts, notes


def _print(found: Comparisons, parts: Sequence[_Part], sets: Table, view: View, console: Console) -> None:
    """The sets one after the other, under a table of what there is; LaTeX has the tables only, and comments."""
    say = _SAID[view.format]
    if found.published:
        say(_no_own_runs(found), console)
    if len(found.overview) == 1:
        render_document(parts[0].tables, view, console, {}, [])
        return
    columns = _columns_of_each(parts, view.columns)
    if view.format != "latex":
        render(sets, view.format, console)
    for number, part in enumerate(parts, 1):
        say(part.title, console)
        view = replace(view, columns=columns[number - 1])
        if number > 1:  # what was asked for is of the first table of all
            view = replace(view, caption=None, label=None)
        render_document(_named(part.tables, f"-{number}" if number > 1 else ""), view, console, {}, [])


def _columns_of_each(parts: Sequence[_Part], asked: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Those of the columns that the first table of each set has; a table that has none of them stays whole.

    The first table of a set along a key has a column for each value. Raises ConfigError for a column that no set has.
    """
    tables = [next(iter(part.tables.values())) for part in parts]
    of_each = [tuple(name for name in asked if has_column(table, name)) for table in tables]
    for name in asked:
        if not any(name in had for had in of_each):
            with_columns(tables[-1], (name,))
    return of_each


def _named(tables: Mapping[str, Table], ending: str) -> dict[str, Table]:
    """The tables, the name of each with an ending: it is its label in LaTeX."""
    return {name: replace(table, name=f"{table.name or name}{ending}") for name, table in tables.items()}


def _say_plainly(text: str, console: Console) -> None:
    if console.is_terminal:
        console.print(Text(f"\n{shown(text, console)}", style="bold"))
    else:
        put(f"\n{text}\n", console)


def _say_in_markdown(text: str, console: Console) -> None:
    put(f"\n{escape_markdown(text)}\n", console)


def _say_in_latex(text: str, console: Console) -> None:
    put(f"\n% {text}", console)


_SAID: dict[str, Callable[[str, Console], None]] = {
    "table": _say_plainly,
    "md": _say_in_markdown,
    "latex": _say_in_latex,
}


def _document(found: Comparisons, parts: Sequence[_Part], sets: Table, notes: Sequence[str]) -> dict[str, Any]:
    """The object of the first set, and beside its keys what there is and the objects of the other sets."""
    first, *others = [as_document(part.tables, comparison_head(part.comparison), notes) for part in parts]
    return first | {
        "published": bool(found.published),
        "sets": [dict(record) for record in sets.records],
        "other_sets": [{key: value for key, value in other.items() if key != "warnings"} for other in others],
    }


def _with_differs(part: _Part) -> dict[str, Table]:
    """The first table, what differs between its runs as the last key of each record: csv has no place for sentences."""
    name, table = next(iter(part.tables.items()))
    differs = " ".join(part.comparison.differs)
    return {name: replace(table, records=tuple({**record, "differs": differs} for record in table.records))}


def _not_in_csv(found: Comparisons, parts: Sequence[_Part]) -> list[str]:
    first, *others = dict.fromkeys([*parts[0].tables, *default_tables(parts[0].comparison, full=True)])
    said = []
    if others:
        said.append(f"csv holds one table, here {first}; --only {' or --only '.join(others)} prints another")
    if len(found.overview) > 1:
        said.append(f"csv holds one of {len(found.overview)} sets of runs; a folder or --where chooses another")
    if found.published:
        said.append(_no_own_runs(found))
    return said


def _no_own_runs(found: Comparisons) -> str:
    places = " ".join(map(printable, found.published))
    return (
        "No runs of your own yet: normbench train --norm gn makes one. Shown instead: one of the studies that are "
        f"published here (all of them: normbench compare {places})."
    )
