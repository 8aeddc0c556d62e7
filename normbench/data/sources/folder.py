"""The `folder` source: 32x32 images in `train/<class>/*.jpg|png` and `test/<class>/*`.

Classes and files are ordered by name, so that a folder always gives the same data set.
"""

import hashlib
import logging
import os
import unicodedata
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL.Image import DecompressionBombWarning

from normbench.data.dataset import SIDE, Split
from normbench.data.progress import progress
from normbench.data.sources.folder_images import read_image
from normbench.data.sources.source import RawData, SourceInput, SourceRequest
from normbench.errors import DataError
from normbench.text import printable

log = logging.getLogger(__name__)

EXTENSIONS = (".png", ".jpg", ".jpeg")
LAYOUT = "train/<class>/*.png|jpg|jpeg and test/<class>/*"
DEBRIS = frozenset({"@eadir", "__macosx", "$recycle.bin", "lost+found", "system volume information"})
"""Folders that systems leave beside the user's own, in lower case. They are no classes."""
BLOCK = 250  # images for each task of a thread: small, so that Ctrl-C and a first error take effect quickly
MAX_THREADS = 8  # on any number of cores: threads wait for the disk, and Pillow holds the GIL half of the time
MAX_NAMED = 5  # unreadable images named in one error


@dataclass(frozen=True)
class Tree:
    """The images under a folder: (relative path, class index) of each, and a digest over names, sizes and times."""

    root: Path
    class_names: tuple[str, ...]
    train: list[tuple[str, int]]
    test: list[tuple[str, int]]
    digest: str


def folder(request: SourceRequest) -> SourceInput:
    """The user's own images. Raises DataError that names a folder or file which is missing or not as expected."""
    if request.dir is None:
        raise DataError(
            "the data source 'folder' needs a place: --data-dir DIR (or data.dir, or NORMBENCH_DATA) "
            f"with {LAYOUT} in it"
        )
    root = Path(os.path.realpath(request.dir))  # not resolve(), which raises for links in a circle

    @cache
    def tree() -> Tree:
        try:
            return scan(root)
        except OSError as error:
            raise DataError(f"{error.filename or root}: cannot be read: {error.strerror or error}") from error

    place = hashlib.sha256(os.fsencode(root)).hexdigest()
    return SourceInput(f"folder-{place[:12]}", lambda: f"{place} {tree().digest}", lambda: _read(tree(), request))


def scan(root: Path) -> Tree:
    """List the images under `root` without opening them. Raises DataError, and OSError for an unreadable folder."""
    _check_place(root)
    found = {split: sorted(_folders(root / split)) for split in ("train", "test")}
    if not found["train"] and not found["test"]:
        raise DataError(f"{root}: no class folders under train and test; the data source 'folder' expects {LAYOUT}")
    for split, names in found.items():
        _check_names(root / split, names)
    for has, lacks in (("train", "test"), ("test", "train")):
        missing = [name for name in found[has] if name not in found[lacks]]
        for name in missing:
            if not _images(root / has / name, []):
                raise DataError(
                    f"{root / has / name}: holds no images and has no counterpart under {lacks}: remove it if it is no "
                    "class"
                )
        if missing:
            more = f" (and {len(missing) - 1} more such)" if len(missing) > 1 else ""
            raise DataError(f"{root / lacks / missing[0]}: missing: {has} has this class, {lacks} has not{more}")
    class_names = tuple(found["train"])
    digest = hashlib.sha256()
    ignored: list[Path] = []
    splits: dict[str, list[tuple[str, int]]] = {}
    for split in ("train", "test"):
        splits[split] = []
        for index, name in enumerate(class_names):
            images = _images(root / split / name, ignored)
            if not images:
                raise DataError(f"{root / split / name}: no {', '.join(EXTENSIONS)} images in this class folder")
            splits[split] += [(f"{split}/{name}/{file}", index) for file, _, _ in images]
            told = "".join([f"{split}/{name}/{file}\0{size}\0{mtime_ns}\0" for file, size, mtime_ns in images])
            digest.update(os.fsencode(told))
    if ignored:
        log.info(f"ignored {len(ignored):,} entries that are not {', '.join(EXTENSIONS)} files, such as {ignored[0]}")
    return Tree(root, class_names, splits["train"], splits["test"], digest.hexdigest())


def _check_place(root: Path) -> None:
    """Raises DataError unless there are folders `train` and `test`."""
    if not root.exists():
        raise DataError(f"{root}: nothing is there; the data source 'folder' expects a folder with {LAYOUT}")
    if not root.is_dir():
        raise DataError(
            f"{root}: is a file, and the data source 'folder' expects a folder with {LAYOUT}: unpack an archive first, "
            "or give the official archive of CIFAR-10 to --data cifar10"
        )
    for split in ("train", "test"):
        if not (root / split).is_dir():
            cifar10 = (root / "data_batch_1").exists() or (root / "cifar-10-batches-py").exists()
            hint = "; these are the batches of CIFAR-10, which --data cifar10 reads" if cifar10 else ""
            raise DataError(f"{root}: no folder {split!r} in it; the data source 'folder' expects {LAYOUT}{hint}")


def _check_names(split: Path, names: Sequence[str]) -> None:
    """Class names must be printable (tables show them) and distinct on file systems that ignore case."""
    spelled: dict[str, str] = {}
    for name in names:
        if printable(name) != name:
            raise DataError(f"{split / name}: the name of a class holds control characters or is not UTF-8: rename it")
        other = spelled.setdefault(unicodedata.normalize("NFC", name.casefold()), name)
        if other != name:
            raise DataError(
                f"{split / name}: differs from the class {other!r} only in case or in how an accent is written: "
                "merge the two folders, or rename one"
            )


def _folders(path: Path) -> list[str]:
    with os.scandir(path) as entries:
        return [
            entry.name
            for entry in entries
            if entry.is_dir() and not entry.name.startswith(".") and entry.name.casefold() not in DEBRIS
        ]


def _images(path: Path, ignored: list[Path]) -> list[tuple[str, int, int]]:
    """(name, size in bytes, mtime in ns) of each image in a class folder, by name."""
    images = []
    with os.scandir(path) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if not entry.name.lower().endswith(EXTENSIONS) or entry.is_dir():
                ignored.append(path / entry.name)
                continue
            status = entry.stat()
            images.append((entry.name, status.st_size, status.st_mtime_ns))
    return sorted(images)


def _read(tree: Tree, request: SourceRequest) -> RawData:
    total = len(tree.train) + len(tree.test)
    log.info(f"decoding {total:,} images from {tree.root} (once: they are cached)")
    paths = [tree.root / relative for relative, _ in (*tree.train, *tree.test)]
    images = torch.empty((total, 3, SIDE, SIDE), dtype=torch.uint8)
    decode(paths, images.numpy(), request.bar)
    labels = torch.tensor([index for _, index in (*tree.train, *tree.test)], dtype=torch.int64)
    cut = len(tree.train)
    return Split(images[:cut], labels[:cut]), Split(images[cut:], labels[cut:]), tree.class_names


def decode(paths: list[Path], images: NDArray[np.uint8], bar: bool) -> None:
    """Decode the files into `images` uint8 [N, 3, 32, 32]. Raises DataError that names the first wrong files."""

    def block(start: int) -> list[str]:
        errors = []
        for index in range(start, min(start + BLOCK, len(paths))):
            try:
                images[index] = read_image(paths[index])
            except DataError as error:
                errors.append(str(error))
        return errors

    errors: list[str] = []
    pool = ThreadPoolExecutor(MAX_THREADS)
    try:
        with progress("decoding", "images", bar) as report, warnings.catch_warnings():
            warnings.simplefilter("ignore", DecompressionBombWarning)  # read_image refuses such images by their size
            starts = range(0, len(paths), BLOCK)
            for start, found in zip(starts, pool.map(block, starts), strict=True):
                errors += found
                report(min(start + BLOCK, len(paths)), len(paths))
    finally:
        pool.shutdown(cancel_futures=True)
    if errors:
        more = f"; and {len(errors) - MAX_NAMED:,} more" if len(errors) > MAX_NAMED else ""
        raise DataError("; ".join(errors[:MAX_NAMED]) + more)
