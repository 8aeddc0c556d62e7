"""The `parquet` source: encoded images in Parquet files, as the Hugging Face Hub has CIFAR-10.

A file, or a folder of shards whose names begin with train, validation or test. A row holds the bytes of an image file,
alone or in a struct with its path, and a label. The names of the classes are in the metadata of the schema.
"""

import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from itertools import accumulate
from pathlib import Path
from typing import Any

import torch

from normbench.data.dataset import RawData, Split
from normbench.data.memory import MAX_BYTES, machine_bytes
from normbench.data.sources.class_labels import Label, indexed
from normbench.data.sources.decode import decode
from normbench.data.sources.placed_files import files_at, identity_of, named_place, raw_data, slot_of, split_of
from normbench.data.sources.source import SourceInput, SourceRequest
from normbench.errors import DataError
from normbench.files import open_regular
from normbench.text import listed, printable

log = logging.getLogger(__name__)

EXPECTED = "a .parquet file, or a folder of files such as train-00000-of-00001.parquet and test-00000-of-00001.parquet"
IMAGES = ("img", "image", "images")
LABELS = ("label", "labels", "fine_label", "class", "target")
"""Names of columns, preferred in this order."""
ROW_BYTES = 300
"""What a row takes besides its image, at most."""
BATCH = 500  # rows that are unpacked at a time


def parquet(request: SourceRequest) -> SourceInput:
    """Encoded images and labels in Parquet files; needs the extra normbench[parquet]."""
    place = named_place(request, "parquet", EXPECTED)
    files = cache(lambda: _files(place))
    return SourceInput(
        slot_of("parquet", place),
        lambda: identity_of(place, (path for of_split in files().values() for path in of_split)),
        lambda: _read(place, files(), request),
        name=place.stem if place.is_file() else place.name,
    )


def _files(place: Path) -> dict[str, list[Path]]:
    """The files of each split. They are in one folder, or in one folder for each split."""
    if place.is_file():
        return {"train": [place]}
    found = files_at(place, ".parquet")
    below = [place]
    for _ in range(2):  # as in data/train-0.parquet and plain_text/train/0.parquet
        below = [path for folder in below for path in files_at(folder, "") if path.is_dir()]
        found += [path for folder in below for path in files_at(folder, ".parquet")]
    splits: dict[str, list[Path]] = {}
    for path in found:
        splits.setdefault(split_of(str(path.relative_to(place))) or "", []).append(path)
    if not found:
        raise DataError(f"{place}: no .parquet file in it; expected {EXPECTED}")
    if "" in splits and len(found) > 1:
        raise DataError(f"{splits[''][0]}: its name says no split; expected {EXPECTED}")
    sets = {path.parent.parent if split_of(path.parent.name) else path.parent for path in found}
    if len(sets) > 1:
        names = [str(folder.relative_to(place)) for folder in sorted(sets)]
        raise DataError(f"{place}: holds several data sets, {printable(listed(names))}: name one of these folders")
    if "" in splits:
        return {"train": found}
    if "train" not in splits:
        raise DataError(f"{place}: no file for training in it; expected {EXPECTED}")
    return splits


def _read(place: Path, files: Mapping[str, Sequence[Path]], request: SourceRequest) -> RawData:
    splits: dict[str, list[_Row]] = {split: [] for split in files}
    names: list[tuple[str, ...] | None] = []
    size, most = 0, (machine_bytes() or MAX_BYTES) // 2  # the encoded images are held until all are decoded
    for split, paths in files.items():
        for path in paths:
            log.info(f"reading {path}")
            with _opened(path) as table:
                names.append(table.class_names)
                for row in table.rows():
                    size += len(row.image) + ROW_BYTES
                    if size > most:
                        raise DataError(f"{row.where}: more than {most:,} bytes of images, half of the memory")
                    splits[split].append(row)
    if any(other != names[0] for other in names):
        raise DataError(f"{place}: its files have other class names each")
    labels = {split: [row.label for row in rows] for split, rows in splits.items()}
    class_names, indices = indexed(str(place), labels, names[0])
    rows = [row for of_split in splits.values() for row in of_split]
    decoded = decode([(row.where, row.encoded) for row in rows], resize=request.resize, bar=request.bar)
    ends = accumulate(map(len, splits.values()))
    found = {
        split: Split(torch.from_numpy(decoded[end - len(of_split) : end]), indices[split])
        for (split, of_split), end in zip(splits.items(), ends, strict=True)
    }
    return raw_data(found, class_names)


@dataclass(frozen=True, slots=True)
class _Row:
    where: str
    image: bytes
    label: Label

    def encoded(self) -> bytes:
        return self.image


@dataclass(frozen=True)
class _Table:
    """An open file and its columns. `class_names` is None where the labels are not indices of names."""

    path: Path
    file: Any
    image: str
    label: str
    class_names: tuple[str, ...] | None

    def rows(self) -> Iterator[_Row]:
        number = 0
        for batch in self.file.iter_batches(BATCH, columns=[self.image, self.label], use_threads=False):
            images, labels = batch.column(0), batch.column(1)
            if hasattr(images, "field"):  # a struct
                images = images.field("bytes")
            for image, label in zip(images.to_pylist(), labels.to_pylist(), strict=True):
                where = f"{self.path}, row {number}"
                if image is None or label is None:
                    raise DataError(f"{where}: no {'image' if image is None else 'label'}")
                yield _Row(where, image, label)
                number += 1


@contextmanager
def _opened(path: Path) -> Iterator[_Table]:
    try:
        import pyarrow
        from pyarrow import parquet as pq
    except ImportError as error:
        raise DataError(f"{path}: reading Parquet needs pyarrow: pip install 'normbench[parquet]'") from error
    try:
        with open_regular(path) as opened, pq.ParquetFile(opened) as file:
            schema = file.schema_arrow
            image = _column(path, schema, IMAGES, "images", partial(_holds_bytes, pyarrow.types))
            label = _column(path, schema, LABELS, "labels", partial(_holds_labels, pyarrow.types))
            yield _Table(path, file, image, label, _class_names(schema, label))
    except (OSError, pyarrow.ArrowException) as error:
        raise DataError(f"{path}: cannot be read as a Parquet file: {printable(str(error))}") from error


def _column(path: Path, schema: Any, known: Sequence[str], what: str, holds: Callable[[Any], bool]) -> str:
    """The column with a known name, else the only one of the right type."""
    usable = [field.name for field in schema if holds(field.type)]
    named = [name for name in known if name in usable]
    if named or len(usable) == 1:
        return named[0] if named else usable[0]
    columns = printable(listed([f"{field.name} ({field.type})" for field in schema], 5))
    raise DataError(f"{path}: no column of {what} is called {', '.join(known)}; its columns are {columns}")


def _holds_bytes(types: Any, kind: Any) -> bool:
    if types.is_struct(kind):
        index = kind.get_field_index("bytes")
        return index >= 0 and _holds_bytes(types, kind.field(index).type)
    return bool(types.is_binary(kind) or types.is_large_binary(kind))


def _holds_labels(types: Any, kind: Any) -> bool:
    return bool(types.is_integer(kind) or types.is_string(kind) or types.is_large_string(kind))


def _class_names(schema: Any, label: str) -> tuple[str, ...] | None:
    """The names of a ClassLabel, as the library `datasets` writes them; None without any."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        names = features[label]["names"]
    except (KeyError, TypeError, ValueError, RecursionError):
        return None
    return tuple(names) if isinstance(names, list) and all(isinstance(name, str) for name in names) else None
