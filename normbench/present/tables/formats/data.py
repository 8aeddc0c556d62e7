"""csv and json: the records of a table, for programs."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console

from normbench.present.tables.formats.output import put
from normbench.present.tables.table import Table, Value

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""Some spreadsheets accept the full-width signs too."""


def print_csv(table: Table, console: Console) -> None:
    put(csv_text(table.records).rstrip("\n"), console)


def csv_text(records: Sequence[Mapping[str, Value]]) -> str:
    """CSV with a header, of records that all have the same keys."""
    text = io.StringIO(newline="")
    keys = list(records[0]) if records else []
    writer = csv.DictWriter(text, keys, lineterminator="\n")
    for record in ({key: key for key in keys}, *records):  # the header too: a key may come from a foreign record
        writer.writerow({key: _guarded(value) for key, value in record.items()})
    return text.getvalue()


def print_json(table: Table, console: Console) -> None:
    put_json([dict(record) for record in table.records], console)


def put_json(content: Any, console: Console) -> None:
    """Prints plain values as JSON, in pure ASCII where the output is not Unicode."""
    is_unicode = console.encoding.lower().startswith("utf")
    put(json.dumps(content, indent=2, allow_nan=False, ensure_ascii=not is_unicode), console)


def _guarded(value: Value) -> Value:
    """Text that a spreadsheet would run as a formula gets an apostrophe, which marks it as text."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
