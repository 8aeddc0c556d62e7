"""Several tables as one document: one after the other, or one JSON object."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from rich.console import Console

from normbench.analysis.compare.compare import Comparison
from normbench.present.tables.table import Table, put, render

SCHEMA_VERSION = 1


def render_document(
    tables: Mapping[str, Table], format: str, console: Console, head: Mapping[str, Any], warnings: Sequence[str]
) -> None:
    """Prints `tables`, by name, in their order. csv has the first table only; json has `head` and all tables.

    In text, the notes of all tables follow the last one.
    """
    if format == "json":
        document = as_document(tables, head, warnings)
        put(json.dumps(document, indent=2, allow_nan=False, ensure_ascii=False), console)
        return
    shown = list(tables.values())
    if format == "csv":
        shown = shown[:1]
    elif format != "latex":
        shown = [*(replace(table, notes=()) for table in shown[:-1]), replace(shown[-1], notes=_notes(tables))]
    for table in shown:
        render(table, format, console)


def as_document(tables: Mapping[str, Table], head: Mapping[str, Any], warnings: Sequence[str]) -> dict[str, Any]:
    """The JSON object: `head`, then a list of records under the name of each table."""
    return {
        "schema_version": SCHEMA_VERSION,
        **head,
        **{name: [dict(record) for record in table.records] for name, table in tables.items()},
        "warnings": list(warnings),
        "notes": list(_notes(tables)),
    }


def _notes(tables: Mapping[str, Table]) -> tuple[str, ...]:
    """The notes of all tables, each once."""
    return tuple(dict.fromkeys(note for table in tables.values() for note in table.notes))


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
            "fingerprint": comparison.fingerprint,
            "num_train": comparison.num_train,
            f"num_{comparison.split}": comparison.num_eval,
        },
        "recipe": dict(comparison.recipe),
        "environment": {
            key: [None if value == "null" else value for value in found]
            for key, found in comparison.environment.items()
        },
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
