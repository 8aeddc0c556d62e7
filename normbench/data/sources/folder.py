"""The `folder` source: images in `train/<class>/` and `test/<class>/`, in one of the usual layouts."""

import hashlib
import logging
import os
from functools import cache, partial
from pathlib import Path

import torch

from normbench.data.dataset import RawData, Split
from normbench.data.sources.decode import decode
from normbench.data.sources.folder_tree import LAYOUT, Tree, scan
from normbench.data.sources.image_file import MAX_BYTES
from normbench.data.sources.source import SourceInput, SourceRequest
from normbench.errors import DataError
from normbench.files import read_regular
from normbench.text import printable

log = logging.getLogger(__name__)


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
    return SourceInput(
        f"folder-{place[:12]}", lambda: f"{place} {tree().digest}", lambda: _read(tree(), request), printable(root.name)
    )


def _read(tree: Tree, request: SourceRequest) -> RawData:
    found = [image for images in tree.splits.values() for image in images]
    log.info(f"decoding {len(found):,} images from {tree.root} (once: they are cached)")
    paths = [tree.root / relative for relative, _ in found]
    encoded = [(str(path), partial(read_file, path)) for path in paths]
    images = torch.from_numpy(decode(encoded, resize=request.resize, bar=request.bar))
    labels = torch.tensor([index for _, index in found], dtype=torch.int64)
    sizes = [len(split) for split in tree.splits.values()]
    parts = map(Split, images.split(sizes), labels.split(sizes))
    splits = dict(zip(tree.splits, parts, strict=True))
    return RawData(splits["train"], splits.get("test"), tree.class_names, splits.get("val"))


def read_file(path: Path) -> bytes:
    """The content of an image file. Raises DataError for one that is unreadable, no regular file, or too large."""
    try:
        return read_regular(path, MAX_BYTES)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
