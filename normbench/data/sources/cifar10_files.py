"""The official CIFAR-10 batches, from the archive or an extracted folder. They are hashed before they are unpickled.

Format: https://www.cs.toronto.edu/~kriz/cifar.html. A batch is a pickled dict with b"data" (uint8 [n, 3072], the
red, green and blue plane of each image, row by row) and b"labels" (n integers); batches.meta holds b"label_names".
"""

import io
import os
import pickle
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from normbench.data.dataset import SIDE, Split
from normbench.data.download import md5_of
from normbench.data.sources.recognize import what_it_is
from normbench.data.sources.source import RawData
from normbench.errors import DataError
from normbench.files import open_regular, read_regular
from normbench.text import printable

MAX_BYTES = 100_000_000
"""The most bytes of a batch file; the official ones have 31 million."""


@dataclass(frozen=True)
class Archive:
    """The official archive: its address, its MD5 and size in bytes, and the MD5 of each file in its folder."""

    url: str
    filename: str
    md5: str
    size: int
    folder: str
    train_files: Mapping[str, str]
    test_files: Mapping[str, str]
    meta_file: tuple[str, str]

    @property
    def file_md5s(self) -> dict[str, str]:
        return {**self.train_files, **self.test_files, self.meta_file[0]: self.meta_file[1]}


def read_archive(path: Path, archive: Archive) -> RawData:
    """Read the .tar.gz without extracting it. Raises DataError that names a wrong file or a wrong or missing member."""
    try:
        with open_regular(path) as file:  # hashed and read through one handle: the file cannot change in between
            _check_archive(path, file, archive)
            file.seek(0)
            members = dict(_unpickled_members(path, file, archive))
    except (OSError, EOFError, tarfile.TarError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read as a .tar.gz archive: {error}") from error
    return _assemble(str(path), members, archive)


def read_extracted(folder: Path, archive: Archive) -> RawData:
    """Read an extracted folder. Raises DataError that names a missing, damaged or malformed batch file."""
    batches = {}
    for name, md5 in archive.file_md5s.items():
        path = folder / name
        try:
            content = read_regular(path, MAX_BYTES)
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({error.strerror}); {folder} is not complete") from error
        if (found := md5_of(io.BytesIO(content))) != md5:
            raise DataError(
                f"{path}: its MD5 is {found}, expected {md5}: it is damaged, or not a batch of the official CIFAR-10; "
                "nothing was read from it. Extract the official archive into a new folder and name that one"
            )
        batches[name] = _unpickle(str(path), content)
    return _assemble(str(folder), batches, archive)


def _check_archive(path: Path, file: io.BufferedReader, archive: Archive) -> None:
    size = os.fstat(file.fileno()).st_size
    if size != archive.size:
        what = printable(what_it_is(file, archive.size))
        raise DataError(
            f"{path}: is {what}; expected the official {archive.filename} of {archive.size:,} bytes. Nothing was read "
            "from it, and it may stay. Name the official archive, or leave the place out to download it; images in "
            "folders are read with --data folder"
        )
    if (found := md5_of(file)) != archive.md5:
        raise DataError(
            f"{path}: its MD5 is {found}, expected {archive.md5}: the file is damaged, or not the official one; "
            "nothing was read from it. Leave the place out to download it anew"
        )


def _unpickled_members(path: Path, file: io.BufferedReader, archive: Archive) -> Iterator[tuple[str, dict[bytes, Any]]]:
    wanted = {f"{archive.folder}/{name}": name for name in archive.file_md5s}
    with tarfile.open(fileobj=file, mode="r:gz") as tar:
        for member in tar:
            name = wanted.get(member.name.removeprefix("./"))
            content = tar.extractfile(member) if name and member.isfile() else None
            if name and content:
                yield name, _unpickle(f"{path}: {member.name}", content.read())


class _Dtype:
    """Stands in for numpy.dtype while unpickling. Accepts uint8 only."""

    def __init__(self, spec: bytes | str, *_: object) -> None:
        name = spec.decode("ascii") if isinstance(spec, bytes) else spec
        if name != "u1":
            raise pickle.UnpicklingError(f"an array of type {name!r}")

    def __setstate__(self, state: object) -> None:
        """Byte order and alignment, which mean nothing for single bytes."""


class _Array:
    """Stands in for numpy.ndarray while unpickling: NumPy's own class does not check the state in a pickle."""

    values: NDArray[np.uint8]

    def __setstate__(self, state: tuple[int, tuple[int, ...], _Dtype, bool, bytes]) -> None:
        _, shape, _, by_columns, content = state
        self.values = np.frombuffer(content, np.uint8).reshape(shape, order="F" if by_columns else "C")


def _reconstruct(*_: object) -> _Array:
    return _Array()


_ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,  # the name in NumPy 2
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
}


class _Unpickler(pickle.Unpickler):
    """Builds uint8 arrays and plain containers only: it imports and calls nothing beyond the names in _ALLOWED."""

    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"a reference to {module}.{name}") from None


def _unpickle(where: str, content: bytes) -> dict[bytes, Any]:
    try:
        batch = _Unpickler(io.BytesIO(content), encoding="bytes").load()
    except Exception as error:  # a malformed pickle may raise anything at all
        raise DataError(f"{where}: not a CIFAR-10 batch: {error}") from error
    if not isinstance(batch, dict):
        raise DataError(f"{where}: not a CIFAR-10 batch: holds a {type(batch).__name__} instead of a dict")
    return batch


def _assemble(where: str, batches: dict[str, dict[bytes, Any]], archive: Archive) -> RawData:
    missing = [name for name in archive.file_md5s if name not in batches]
    if missing:
        raise DataError(f"{where}: no {archive.folder}/{missing[0]} in it: not the official archive")
    meta = archive.meta_file[0]
    names = batches[meta].get(b"label_names")
    if not isinstance(names, list) or not names or not all(isinstance(name, bytes) for name in names):
        raise DataError(f"{where}: {meta}: no list of label_names in it")
    class_names = tuple(name.decode() for name in names)
    train = _split(where, {name: batches.pop(name) for name in archive.train_files}, len(class_names))
    test = _split(where, {name: batches.pop(name) for name in archive.test_files}, len(class_names))
    return train, test, class_names


def _split(where: str, batches: dict[str, dict[bytes, Any]], num_classes: int) -> Split:
    for name, batch in batches.items():
        data, labels = batch.get(b"data"), batch.get(b"labels")
        shape = data.values.shape if isinstance(data, _Array) and hasattr(data, "values") else ()
        if shape[1:] != (3 * SIDE**2,) or not isinstance(labels, list) or len(labels) != shape[0]:
            raise DataError(f"{where}: {name}: expected data uint8 [n, {3 * SIDE**2}] and n labels")
        if not all(isinstance(label, int) and 0 <= label < num_classes for label in labels):
            raise DataError(f"{where}: {name}: a label is not one of 0 to {num_classes - 1}")
    images = np.ascontiguousarray(np.concatenate([batch[b"data"].values for batch in batches.values()]))
    labels = [label for batch in batches.values() for label in batch[b"labels"]]
    return Split(torch.from_numpy(images).view(-1, 3, SIDE, SIDE), torch.tensor(labels, dtype=torch.int64))
