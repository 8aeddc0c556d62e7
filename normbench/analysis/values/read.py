"""A table of values, as CSV, JSON lines or Parquet -> the arms in it, each with its values by seed."""

import csv
import io
import json
import math
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from normbench.analysis.stats.estimate import LARGEST, is_measurable
from normbench.errors import ConfigError, DataError
from normbench.files import read_regular
from normbench.text import printable, shortened, unknown_name

MAX_BYTES = 2**26
MAX_ROWS = 1_000_000
MAX_ARMS = 200
_NOTHING = ("", "na", "n/a", "nan", "none", "null")
"""Texts, in lower case, of a run that has no value."""

Row = tuple[str, Mapping[str, str]]
"""Where the row stands, such as `line 3`, and its cells by column."""


@dataclass(frozen=True)
class Columns:
    """Which column is what. `arms`: in a wide table each of these columns is an arm, and `arm` and `metric` are not
    used; () for all columns but `seed` and `by`. None: a table with one row for each run.
    """

    arm: str = "arm"
    seed: str = "seed"
    metric: str = "metric"
    by: str | None = None
    arms: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Arm:
    """One of the things that are compared, at one value of the further key: its values by seed, in the table's order.

    None: a run without a value, which diverged or failed.
    """

    name: str
    by: str | None
    values: Mapping[int, float | None]

    @property
    def finished(self) -> dict[int, float]:
        return {seed: value for seed, value in self.values.items() if value is not None}


@dataclass(frozen=True)
class Values:
    """The arms in the order of their first rows. Seeds are numbered in the order of the table.

    Without a column of seeds, no seed is in two arms, so that no runs are paired.
    """

    arms: tuple[Arm, ...]
    metric: str
    by: str | None
    has_seeds: bool


def read_values(path: Path, columns: Columns) -> Values:
    """The values in a file; `-` is stdin. The ending names the format: .csv, .tsv, .jsonl, .parquet.

    Text on stdin that begins with `{` is JSON lines, and CSV otherwise.

    Raises DataError, with file, row and column, for a file that cannot be read as such a table; ConfigError for a
    column that is not there, and for several rows of one arm and seed.
    """
    where = "stdin" if str(path) == "-" else printable(path)
    rows = list(_rows(path, where))
    if not rows:
        raise DataError(f"{where}: has no row")
    return _values(rows, columns, where)


def _rows(path: Path, where: str) -> Iterator[Row]:
    if where == "stdin":
        return _stdin(sys.stdin.read(MAX_BYTES + 1), where)
    ending = path.suffix.lower()
    if ending == ".parquet":
        return _parquet(path, where)
    try:
        text = read_regular(path, MAX_BYTES).decode("utf-8-sig")
    except FileNotFoundError:
        raise DataError(f"{where}: no such file") from None
    except OSError as error:
        raise DataError(f"{where}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{where}: is not UTF-8 text") from error
    if ending in (".jsonl", ".ndjson"):
        return _json_lines(text, where)
    return _csv(text, where, "\t" if ending == ".tsv" else ",")


def _stdin(text: str, where: str) -> Iterator[Row]:
    if len(text) > MAX_BYTES:
        raise DataError(f"{where}: is larger than {MAX_BYTES:,} bytes")
    return _json_lines(text, where) if text.lstrip().startswith("{") else _csv(text, where, ",")


def _csv(text: str, where: str, delimiter: str) -> Iterator[Row]:
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        header = [name.strip() for name in next(lines, [])]
        twice = [name for number, name in enumerate(header) if name in header[:number]]
        if twice:
            raise DataError(f"{where}, line 1: the column {shortened(repr(twice[0]))} is there twice")
        for cells in lines:
            if not any(cell.strip() for cell in cells):
                continue
            place = f"line {lines.line_num}"
            if len(cells) != len(header):
                raise DataError(f"{where}, {place}: has {len(cells)} cells, and the header has {len(header)}")
            yield place, dict(zip(header, (cell.strip() for cell in cells), strict=True))
    except csv.Error as error:
        raise DataError(f"{where}, line {lines.line_num}: is not CSV: {error}") from error


def _json_lines(text: str, where: str) -> Iterator[Row]:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{where}, line {number}: is not JSON") from error
        if not isinstance(found, dict):
            raise DataError(f'{where}, line {number}: expected a mapping, such as {{"arm": "a", "metric": 1.5}}')
        yield f"line {number}", {str(name): _as_text(value) for name, value in found.items()}


def _parquet(path: Path, where: str) -> Iterator[Row]:
    try:
        import pyarrow.parquet
    except ImportError:
        raise DataError(f"{where}: Parquet needs pyarrow: pip install 'normbench[parquet]'") from None
    try:
        file = pyarrow.parquet.ParquetFile(path)
        if file.metadata.num_rows > MAX_ROWS:
            raise DataError(f"{where}: has {file.metadata.num_rows:,} rows; the most are {MAX_ROWS:,}")
        found = file.read().to_pylist()
    except FileNotFoundError:
        raise DataError(f"{where}: no such file") from None
    except (OSError, pyarrow.ArrowException) as error:
        raise DataError(f"{where}: is not Parquet: {shortened(printable(error))}") from error
    for number, row in enumerate(found, 1):
        yield f"row {number}", {str(name): _as_text(value) for name, value in row.items()}


def _as_text(value: Any) -> str:
    return "" if value is None else str(value).strip()


def _values(rows: Sequence[Row], columns: Columns, where: str) -> Values:
    if len(rows) > MAX_ROWS:
        raise DataError(f"{where}: has {len(rows):,} rows; the most are {MAX_ROWS:,}")
    known = dict.fromkeys(name for _, row in rows for name in row)
    has_seeds = columns.seed in known
    if not has_seeds and columns.seed != Columns.seed:
        raise ConfigError(f"--seed: {unknown_name('column', columns.seed, known)}")
    if columns.by is not None and columns.by not in known:
        raise ConfigError(f"--by: {unknown_name('column', columns.by, known)}")
    seeds: dict[str, int] = {}
    alone = count()  # without seeds, each run has a number of its own
    arms: dict[tuple[str | None, str], dict[int, float | None]] = {}
    for place, row in rows:
        by = row.get(columns.by, "") if columns.by is not None else None
        for column, name in _arms_of(row, columns, known, f"{where}, {place}"):
            values = arms.setdefault((by, name), {})
            seed = seeds.setdefault(row.get(columns.seed, ""), len(seeds)) if has_seeds else next(alone)
            if seed in values:
                raise ConfigError(
                    f"{where}, {place}: a second row of {shortened(repr(name))}, seed "
                    f"{shortened(row.get(columns.seed, ''))}: name the column that tells them apart with --by"
                )
            values[seed] = _number(row.get(column, ""), column, f"{where}, {place}")
            if len(arms) > MAX_ARMS:
                raise DataError(f"{where}: has more than {MAX_ARMS} arms; is {columns.arm!r} the right column?")
    found = tuple(Arm(name, by, values) for (by, name), values in arms.items())
    return Values(found, "value" if columns.arms is not None else columns.metric, columns.by, has_seeds)


def _arms_of(row: Mapping[str, str], columns: Columns, known: Iterable[str], place: str) -> Iterator[tuple[str, str]]:
    """The columns of a row that hold values, each with the name of its arm."""
    if columns.arms is not None:
        chosen = columns.arms or tuple(name for name in known if name not in (columns.seed, columns.by))
        for name in chosen:
            if name not in known:
                raise ConfigError(f"--wide: {unknown_name('column', name, known)}")
            if row.get(name, "") != "":  # an empty cell is no run, and nan a run that failed
                yield name, name
        return
    for option, name in (("--arm", columns.arm), ("--metric", columns.metric)):
        if name not in known:
            way = "; --wide is for tables with one column for each arm" if option == "--arm" else ""
            raise ConfigError(f"{option}: {unknown_name('column', name, known)}{way}")
    if not (name := row.get(columns.arm, "")):
        raise DataError(f"{place}: {columns.arm} is empty")
    yield columns.metric, name


def _number(text: str, column: str, place: str) -> float | None:
    if text.lower() in _NOTHING:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise DataError(
            f"{place}: {printable(column)} is {shortened(repr(text))}, not a number; leave it empty if a run failed"
        )
    if not is_measurable(value):
        raise DataError(
            f"{place}: {printable(column)} is {shortened(text)}; statistics take 0 and sizes from {1 / LARGEST:g} to "
            f"{LARGEST:g}: give it in another unit"
        )
    return value
