"""Several tables as one document: one after the other, or one JSON object."""

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rich.console import Console

from normbench.analysis.compare.compare import Comparison
from normbench.errors import ConfigError
from normbench.present.tables.formats.data import put_json
from normbench.present.tables.formats.output import put
from normbench.present.tables.formats.terminal import fitted, num_lines
from normbench.present.tables.render import render
from normbench.present.tables.table import Table, with_columns, with_keys
from normbench.text import plural

SCHEMA_VERSION = 1
MOST_LINES = 5
"""Of notes, unless all are asked for."""


@dataclass(frozen=True)
class View:
    """How much of a document is shown, and how.

    `notes`: all notes, in `table` format; else as many as fit MOST_LINES, and none if `quiet`. `columns`, `caption` and
    `label` are of the first table: titles of its columns, or keys of its records in csv; what LaTeX takes from it.
    """

    format: str = "table"
    notes: bool = True
    quiet: bool = False
    columns: tuple[str, ...] = ()
    caption: str | None = None
    label: str | None = None
    way: str = ""
    """What stands before the options that show more, of a command that has none of them."""


def render_document(
    tables: Mapping[str, Table], view: View, console: Console, head: Mapping[str, Any], warnings: Sequence[str]
) -> None:
    """Prints `tables`, by name, in their order. csv has the first table only; json has `head` and all tables.

    In text, the notes of all tables follow the last one. Raises ConfigError for a column that is not there.
    """
    if view.format == "json":
        if view.columns:
            raise ConfigError("--columns: json has every number; choose columns of table, md, csv or latex")
        put_json(as_document(tables, head, warnings), console)
        return
    first, *others = (replace(table, name=table.name or name) for name, table in tables.items())
    first = _as_asked(first, view)
    if view.format == "csv":
        render(first, "csv", console)
        return
    shown = [first, *others]
    if view.format == "latex":
        shown = [replace(table, notes=()) if view.quiet else table for table in shown]
    else:
        notes = () if view.quiet else _notes(shown)
        shown = [*(replace(table, notes=()) for table in shown[:-1]), replace(shown[-1], notes=notes)]
        shown = [_unsaid(table, shown[:number]) for number, table in enumerate(shown)]
    if view.format == "table":
        shown = _fitted(shown, view, console)
    for number, table in enumerate(shown):
        if number and view.format == "table" and not console.is_terminal:  # a grid on a terminal ends in an empty line
            put("", console)
        render(table, view.format, console)


def _unsaid(table: Table, before: Sequence[Table]) -> Table:
    """The table without what stands below one before it."""
    said = {sentence for earlier in before for sentence in earlier.footer}
    return replace(table, footer=tuple(sentence for sentence in table.footer if sentence not in said))


def as_document(tables: Mapping[str, Table], head: Mapping[str, Any], warnings: Sequence[str]) -> dict[str, Any]:
    """The JSON object: `head`, then a list of records under the name of each table."""
    return {
        "schema_version": SCHEMA_VERSION,
        **head,
        **{name: [dict(record) for record in table.records] for name, table in tables.items()},
        "warnings": list(warnings),
        "notes": list(_notes([*tables.values()])),
    }


def _as_asked(table: Table, view: View) -> Table:
    """The first table with the columns, the caption and the label that were asked for."""
    if view.columns and view.format == "csv":
        table = with_keys(table, view.columns)
    elif view.columns:
        chosen = with_columns(table, view.columns)
        left_out = set(table.columns) - set(chosen.columns)
        notes = tuple(note for note in table.notes if not _is_about(note, left_out))
        table = replace(chosen, notes=notes, dispensable=())
    return replace(table, caption=view.caption or "", name=view.label or table.name)


def _fitted(tables: Sequence[Table], view: View, console: Console) -> list[Table]:
    """The tables fitted to a terminal, and the most important notes; a last note says what is left out."""
    shown = [fitted(table, console.width) if console.is_terminal else table for table in tables]
    left_out = [
        title for table, fit in zip(tables, shown, strict=True) for title in table.columns if title not in fit.columns
    ]
    notes = [note for note in shown[-1].notes if not _is_about(note, left_out)]
    if view.notes:
        return [*shown[:-1], replace(shown[-1], notes=tuple(notes))]
    if view.quiet:
        return shown
    ends = list(itertools.accumulate(num_lines(note, console) for note in notes))
    fits_all = not left_out and (not ends or ends[-1] <= MOST_LINES)
    kept = len(notes) if fits_all else sum(end < MOST_LINES for end in ends)
    way = "a wider terminal" if "metrics" in {table.name for table in tables} else f"{view.way}--full"
    parts = [f"{', '.join(dict.fromkeys(left_out))} ({way})"] if left_out else []
    if kept < len(notes):
        parts.append(f"{plural(len(notes) - kept, 'note')} ({view.way}--notes)")
    more = (f"Not shown: {'; '.join(parts)}.",) if parts else ()
    return [*shown[:-1], replace(shown[-1], notes=(*notes[:kept], *more))]


def _is_about(note: str, titles: Collection[str]) -> bool:
    """Whether the note, such as `Std: ...` or `Train Acc, Train Loss: ...`, explains none but these columns."""
    explained, colon, _ = note.partition(":")
    return bool(colon) and set(explained.split(", ")) <= set(titles)


def _notes(tables: Sequence[Table]) -> tuple[str, ...]:
    """The notes of all tables, each once."""
    return tuple(dict.fromkeys(note for table in tables for note in table.notes))


def comparison_head(comparison: Comparison) -> dict[str, Any]:
    """The JSON keys about a comparison as a whole."""
    head: dict[str, Any] = {
        "split": comparison.split,
        "confidence": comparison.confidence,
        "baseline": comparison.baseline,
        "delta_points": comparison.delta,
        "by": comparison.key,
        "experiments": list(comparison.experiments),
        "data": {
            "source": comparison.source,
            "name": comparison.data,
            "fingerprint": comparison.fingerprint,
            "num_train": comparison.num_train,
            f"num_{comparison.split}": comparison.num_eval,
        },
        "recipe": dict(comparison.recipe),
        "environment": {
            key: [None if value == "null" else value for value in found]
            for key, found in comparison.environment.items()
        },
        "differs": list(comparison.differs),
    }
    if comparison.decisions:
        plan = comparison.decisions
        head["until_decided"] = {
            "norms": list(plan.norms),
            "seeds": list(plan.seeds),
            "looks": list(plan.looks),
            "looks_taken": plan.look + 1,
            "alpha": plan.alpha,
            "delta_points": plan.delta,
        }
    if comparison.tuning:
        tuning = comparison.tuning
        head["tuning"] = {
            "budget": tuning.budget,
            "grid": dict(tuning.grid),
            "seeds": list(tuning.seeds),
            "chosen": [
                {
                    "norm": best.label,
                    "cell": dict(best.cell),
                    "values": dict(best.values),
                    "val_accuracy": best.val_accuracy,
                    "on_edge": list(best.on_edge),
                }
                for best in tuning.chosen
            ],
        }
    return head
