"""A CSV file that gives images their labels: which columns it has, and its rows."""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from normbench.data.sources.placed_files import name_words, split_of
from normbench.errors import DataError
from normbench.files import read_regular
from normbench.text import listed, printable, shortened

MAX_BYTES = 200_000_000
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "file": ("filename", "file", "filepath", "path", "imagepath", "imagename", "image", "img", "id", "imageid", "name"),
    "label": ("label", "class", "classname", "labelname", "category", "target"),
    "split": ("split", "subset", "set", "partition"),
}
"""The columns that are read by the names they may have, without capitals and signs; earlier ones are preferred."""


@dataclass(frozen=True)
class Row:
    """An image by the name that the file gives it. `line` counts from 1; `split` is None without such a column."""

    line: int
    image: str
    label: str
    split: str | None


@dataclass(frozen=True)
class Table:
    """The rows of a CSV file that have a label, and how many have none."""

    path: Path
    rows: tuple[Row, ...]
    num_unlabelled: int


def read_table(path: Path) -> Table:
    """Read a CSV with a header, separated by commas, semicolons or tabs. Raises DataError that names file and line."""
    header, reader = _opened(path)
    places = _places(header)
    for kind in ("file", "label"):
        if kind not in places:
            raise DataError(
                f"{path}: no column of {'file names' if kind == 'file' else 'labels'}; its columns are "
                f"{printable(listed([shortened(name) for name in header], 5))}; known names: "
                f"{', '.join(COLUMNS[kind])}"
            )
    rows, unlabelled = [], 0
    lines: dict[str, int] = {}
    try:
        for cells in reader:
            line = reader.line_num
            if not cells:
                continue  # an empty line
            if len(cells) != len(header):
                raise DataError(f"{path}, line {line}: {len(cells)} values, and the header names {len(header)} columns")
            image, label = (cells[places[kind]].strip() for kind in ("file", "label"))
            if not image:
                raise DataError(f"{path}, line {line}: no file name")
            if not label:
                unlabelled += 1
                continue
            if image in lines:
                raise DataError(
                    f"{path}, line {line}: the image {shortened(printable(image))!r} stands in line {lines[image]} too"
                )
            lines[image] = line
            rows.append(Row(line, image, label, _split(path, line, cells, places)))
    except csv.Error as error:
        raise DataError(f"{path}, line {reader.line_num}: not a CSV file: {error}") from error
    if not rows:
        raise DataError(f"{path}: no image in it has a label")
    return Table(path, tuple(rows), unlabelled)


def is_table(path: Path) -> bool:
    """Whether a CSV has columns of file names and of labels. Raises DataError for another file."""
    header, _ = _opened(path)
    return {"file", "label"} <= _places(header).keys()


def _opened(path: Path) -> tuple[list[str], Any]:
    """(the header, a `csv.reader` of the lines after it)."""
    try:
        text = read_regular(path, MAX_BYTES).decode("utf-8-sig")
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not a CSV file in UTF-8: {error}") from error
    first = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count))
    try:
        return next(reader, []), reader
    except csv.Error as error:
        raise DataError(f"{path}, line 1: not a CSV file: {error}") from error


def _places(header: list[str]) -> dict[str, int]:
    """The index of each known column; of several names for one, the preferred."""
    names = ["".join(name_words(name)) for name in header]
    found = {}
    for kind, known in COLUMNS.items():
        places = [names.index(name) for name in known if name in names]
        if places:
            found[kind] = places[0]
    return found


def _split(path: Path, line: int, cells: list[str], places: Mapping[str, int]) -> str | None:
    if "split" not in places:
        return None
    split = split_of(cells[places["split"]])
    if split is None:
        raise DataError(
            f"{path}, line {line}: the split is {shortened(printable(cells[places['split']]))!r}, expected train, val "
            "or test"
        )
    return split
