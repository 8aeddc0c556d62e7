"""The `npz` source: arrays of images and labels, as numpy.savez writes them.

The names of the arrays say what they are: `x_train`, `y_train`, `x_test`, `y_test`; `train_images`, `train_labels`; or
`images` and `labels` without a split, from which a test set is held out.
"""

import logging
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from normbench.data.dataset import RawData, Split
from normbench.data.sources.arrays import Header, as_images, check_images, check_labels, read_content, read_header
from normbench.data.sources.class_labels import indexed
from normbench.data.sources.placed_files import (
    files_at,
    identity_of,
    name_words,
    named_place,
    raw_data,
    slot_of,
    split_of,
)
from normbench.data.sources.source import SourceInput, SourceRequest
from normbench.errors import DataError
from normbench.files import open_regular
from normbench.text import listed, printable, reason

log = logging.getLogger(__name__)

IMAGES = frozenset({"x", "images", "image", "imgs", "data"})
LABELS = frozenset({"y", "labels", "label", "targets", "target"})
CLASS_NAMES = frozenset({"classnames", "classes", "labelnames", "names"})
MAX_ARRAYS = 1000
EXPECTED = "a file .npz with x_train, y_train, x_test and y_test (or train_images, ...; or images and labels)"


def npz(request: SourceRequest) -> SourceInput:
    """Arrays of images and labels in one .npz file."""
    place = named_place(request, "npz", EXPECTED)
    found = files_at(place, ".npz")
    if len(found) != 1:
        held = f"holds {listed([path.name for path in found])}: name one of them" if found else "holds no file .npz"
        raise DataError(f"{place} (from {request.dir_given_by}): {held}; expected {EXPECTED}")
    path = found[0]
    return SourceInput(slot_of("npz", path), partial(identity_of, path, [path]), partial(read, path), name=path.stem)


def read(path: Path) -> RawData:
    """The data in a .npz file. Raises DataError that names a missing, wrong or damaged array."""
    log.info(f"reading {path}")
    try:
        with open_regular(path) as file, zipfile.ZipFile(file) as archive:
            return _data(str(path), archive)
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise DataError(f"{path}: cannot be read as a NumPy archive (.npz): {reason(error)}") from error


def _data(where: str, archive: zipfile.ZipFile) -> RawData:
    arrays = _arrays(where, archive)
    splits = _splits(where, arrays)
    for split in splits:  # of all of them, before one is unpacked
        images, labels = arrays[split, "images"], arrays[split, "labels"]
        check_images(images.where, images.header)
        check_labels(labels.where, labels.header, images.header.shape[0])
    names = arrays.get(("train", "names"))
    class_names, indices = indexed(
        where,
        {split: arrays[split, "labels"].values().ravel().tolist() for split in splits},
        None if names is None else [str(name) for name in names.values().ravel().tolist()],
    )
    found = {split: Split(as_images(arrays[split, "images"].values()), indices[split]) for split in splits}
    return raw_data(found, class_names)


@dataclass(frozen=True)
class _Array:
    """An array in the archive, of which the header has been read."""

    archive: zipfile.ZipFile
    member: zipfile.ZipInfo
    where: str
    header: Header

    def values(self) -> NDArray[Any]:
        with self.archive.open(self.member) as file:
            read_header(self.where, file, self.member.file_size)
            return read_content(self.where, file, self.header)


def _arrays(where: str, archive: zipfile.ZipFile) -> dict[tuple[str, str], _Array]:
    """By (split, kind), where the kind is images, labels or names; `train` if the name of an array has no split."""
    if len(archive.infolist()) > MAX_ARRAYS:
        raise DataError(f"{where}: {len(archive.infolist()):,} arrays, at most {MAX_ARRAYS:,} are read")
    found: dict[tuple[str, str], _Array] = {}
    ignored = []
    for member in archive.infolist():
        name = member.filename.removesuffix(".npy")
        kind = _kind_of(name)
        if kind is None:
            ignored.append(name)
            continue
        key = split_of(name) or "train", kind
        here = f"{where}: {printable(name)}"
        if key in found:
            raise DataError(f"{here}: {found[key].member.filename} has the {kind} of the {key[0]} split too: keep one")
        with archive.open(member) as file:
            found[key] = _Array(archive, member, here, read_header(here, file, member.file_size))
    if ignored:
        log.info(f"note: {where}: ignored {printable(listed(ignored))}, whose names say neither images nor labels")
    return found


def _kind_of(name: str) -> str | None:
    words = name_words(name)
    if "".join(words) in CLASS_NAMES:
        return "names"
    kinds = [kind for kind, known in (("images", IMAGES), ("labels", LABELS)) if known & set(words)]
    return kinds[0] if len(kinds) == 1 else None


def _splits(where: str, arrays: Mapping[tuple[str, str], _Array]) -> list[str]:
    """The splits that have images and labels; `train` is among them."""
    splits = {split: [kind for of, kind in arrays if of == split and kind != "names"] for split, _ in arrays}
    for split, kinds in splits.items():
        if len(kinds) == 1:
            lacks = "labels" if kinds == ["images"] else "images"
            raise DataError(f"{where}: the {split} split has no {lacks}; expected {EXPECTED}")
    whole = [split for split, kinds in splits.items() if kinds]
    if "train" not in whole:
        held = printable(listed([array.member.filename for array in arrays.values()], 5)) or "none of these arrays"
        raise DataError(f"{where}: no training images; it holds {held}; expected {EXPECTED}")
    return whole
