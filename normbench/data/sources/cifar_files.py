"""The files of a CIFAR archive, packed or extracted. Those with a known MD5 are hashed before they are read."""

import io
import os
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from normbench.data.dataset import RawData, Split
from normbench.data.download import md5_of
from normbench.data.sources.recognize import what_it_is
from normbench.errors import DataError
from normbench.files import open_regular, read_regular
from normbench.text import printable, reason

SIDE = 32
"""Pixels: the height and the width of CIFAR's images."""
MAX_BYTES = 200_000_000
"""The most bytes of a file; the largest of the official ones has 155 million."""

Batch = tuple[NDArray[np.uint8], list[int]]
"""(images uint8 [n, 3072], n labels)."""


@dataclass(frozen=True)
class Archive:
    """An official archive: its address, its MD5 and size in bytes, its files, and how they are read.

    The MD5 of a file is None where none is published. `names_file` holds the names of the classes. `read_batch` and
    `read_names` take the place, for messages, and the content of a file.
    """

    title: str
    url: str
    filename: str
    md5: str
    size: int
    folder: str
    train_files: Mapping[str, str | None]
    test_files: Mapping[str, str | None]
    names_file: tuple[str, str | None]
    read_batch: Callable[[str, bytes], Batch]
    read_names: Callable[[str, bytes], tuple[str, ...]]
    num_images: tuple[int, int] | None = None
    """For training, for the test; None where the MD5 of each file says that it is complete."""

    @property
    def md5s(self) -> dict[str, str | None]:
        """By the name of each file."""
        return {**self.train_files, **self.test_files, self.names_file[0]: self.names_file[1]}


def read_archive(path: Path, archive: Archive) -> RawData:
    """Read the .tar.gz without extracting it. Raises DataError that names a wrong file or a wrong or missing member."""
    try:
        with open_regular(path) as file:  # hashed and read through one handle: the file cannot change in between
            _check_archive(path, file, archive)
            file.seek(0)
            files = dict(_members(file, archive))
    except (OSError, EOFError, tarfile.TarError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read as a .tar.gz archive: {reason(error)}") from error
    return _assemble(str(path), files, archive)


def read_extracted(folder: Path, archive: Archive) -> RawData:
    """Read an extracted folder. Raises DataError that names a missing, damaged or malformed file."""
    files = {}
    for name, md5 in archive.md5s.items():
        path = folder / name
        try:
            files[name] = read_regular(path, MAX_BYTES)
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({error.strerror}); {folder} is not complete") from error
        if md5 is not None and (found := md5_of(io.BytesIO(files[name]))) != md5:
            raise DataError(
                f"{path}: its MD5 is {found}, expected {md5}: it is damaged, or not a file of the official "
                f"{archive.title}; nothing was read from it. Extract the official archive into a new folder and name "
                "that one"
            )
    return _assemble(str(folder), files, archive)


def _check_archive(path: Path, file: io.BufferedReader, archive: Archive) -> None:
    size = os.fstat(file.fileno()).st_size
    if size != archive.size:
        what = printable(what_it_is(file, archive.title, archive.folder, archive.size))
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


def _members(file: io.BufferedReader, archive: Archive) -> Iterator[tuple[str, bytes]]:
    wanted = {f"{archive.folder}/{name}": name for name in archive.md5s}
    with tarfile.open(fileobj=file, mode="r:gz") as tar:
        for member in tar:
            name = wanted.get(member.name.removeprefix("./"))
            content = tar.extractfile(member) if name and member.isfile() else None
            if name and content:
                yield name, content.read(MAX_BYTES)


def _assemble(where: str, files: dict[str, bytes], archive: Archive) -> RawData:
    missing = [name for name in archive.md5s if name not in files]
    if missing:
        raise DataError(f"{where}: no {archive.folder}/{missing[0]} in it: not the official archive")
    names_file = archive.names_file[0]
    class_names = archive.read_names(f"{where}: {names_file}", files.pop(names_file))
    if not class_names:
        raise DataError(f"{where}: {names_file}: no names of classes in it")
    train, test = (
        _split(where, {name: files.pop(name) for name in names}, archive, len(class_names))
        for names in (archive.train_files, archive.test_files)
    )
    found = len(train), len(test)
    if archive.num_images is not None and found != archive.num_images:
        counts = " and ".join(f"{count:,}" for count in found)
        expected = " and ".join(f"{count:,}" for count in archive.num_images)
        raise DataError(f"{where}: {counts} images for training and test, expected {expected}: it is not complete")
    return RawData(train, test, class_names)


def _split(where: str, files: dict[str, bytes], archive: Archive, num_classes: int) -> Split:
    batches = []
    for name in list(files):
        data, labels = archive.read_batch(f"{where}: {name}", files.pop(name))
        if data.shape != (len(labels), 3 * SIDE**2):
            raise DataError(f"{where}: {name}: expected data uint8 [n, {3 * SIDE**2}] and n labels")
        if not all(0 <= label < num_classes for label in labels):
            raise DataError(f"{where}: {name}: a label is not one of 0 to {num_classes - 1}")
        batches.append((data, labels))
    images = np.ascontiguousarray(np.concatenate([data for data, _ in batches]))
    targets = [label for _, labels in batches for label in labels]
    return Split(torch.from_numpy(images).view(-1, 3, SIDE, SIDE), torch.tensor(targets, dtype=torch.int64))
