"""The files at the place that the user names: which belong to which split, and whether they have changed."""

import hashlib
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from normbench.data.dataset import RawData, Split
from normbench.data.sources.source import SourceRequest
from normbench.errors import DataError

SPLITS: Mapping[str, frozenset[str]] = {
    "train": frozenset({"train", "training"}),
    "val": frozenset({"val", "valid", "validation"}),
    "test": frozenset({"test", "testing"}),
}
"""The words that name a split."""


def name_words(name: str) -> list[str]:
    """The words of a name in lower case: one begins at a capital letter, or after anything but letters."""
    return [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name)]


def split_of(name: str) -> str | None:
    """The split of a name such as `trainLabels.csv`, `x_test` or `test-00000-of-00001`; None if it says none or two."""
    words = set(name_words(name))
    found = [split for split, known in SPLITS.items() if words & known]
    return found[0] if len(found) == 1 else None


def named_place(request: SourceRequest, source: str, expected: str) -> Path:
    """The place that the user named, without links. Raises DataError without one, and if nothing is there."""
    if request.dir is None:
        raise DataError(
            f"the data source {source!r} needs a place: --data-dir PLACE (or data.dir, or NORMBENCH_DATA), {expected}"
        )
    place = Path(os.path.realpath(request.dir))  # not resolve(), which raises for links in a circle
    if not os.path.lexists(place):
        raise DataError(f"{place} (from {request.dir_given_by}): nothing is there; expected {expected}")
    return place


def files_at(place: Path, suffix: str) -> list[Path]:
    """The file `place` itself, or the visible files in it that end in `suffix`, in any case, by name.

    Raises DataError for a folder that cannot be read.
    """
    if not place.is_dir():
        return [place]
    try:
        entries = sorted(place.iterdir())
    except OSError as error:
        raise DataError(f"{place}: cannot be read: {error.strerror}") from error
    return [path for path in entries if path.name.lower().endswith(suffix) and not path.name.startswith(".")]


def slot_of(source: str, place: Path) -> str:
    """The name of the cache file for what `source` reads at `place`."""
    return f"{source}-{hashlib.sha256(os.fsencode(place)).hexdigest()[:12]}"


def raw_data(splits: Mapping[str, Split], class_names: tuple[str, ...]) -> RawData:
    """The data of `train` and, where they are there, `test` and `val`. Without `test`, `val` is tested on."""
    test = splits.get("test", splits.get("val"))
    val = splits.get("val") if "test" in splits else None
    return RawData(train=splits["train"], test=test, val=val, class_names=class_names)


def identity_of(place: Path, files: Iterable[Path]) -> str:
    """A digest over the place, and the names, sizes and times of the files. Raises DataError for a missing file."""
    digest = hashlib.sha256(os.fsencode(place))
    for path in files:
        try:
            status = path.stat()
        except OSError as error:
            raise DataError(f"{path}: cannot be read: {error.strerror}") from error
        digest.update(os.fsencode(f"\0{path}\0{status.st_size}\0{status.st_mtime_ns}"))
    return digest.hexdigest()
