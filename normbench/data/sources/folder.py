"""The `folder` source: 32x32 images in `train/<class>/` and `test/<class>/`, decoded by several threads."""

import hashlib
import logging
import os
import warnings
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL.Image import DecompressionBombWarning

from normbench.data.dataset import RawData, Split
from normbench.data.progress import progress
from normbench.data.sources.folder_images import SIDE, read_image
from normbench.data.sources.folder_tree import LAYOUT, Tree, scan
from normbench.data.sources.source import SourceInput, SourceRequest
from normbench.errors import DataError

log = logging.getLogger(__name__)

BLOCK = 250  # images for each task of a thread: small, so that Ctrl-C and a first error take effect quickly
MAX_THREADS = 8  # on any number of cores: threads wait for the disk, and Pillow holds the GIL half of the time
MAX_NAMED = 5  # unreadable images named in one error


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


def _read(tree: Tree, request: SourceRequest) -> RawData:
    total = len(tree.train) + len(tree.test)
    log.info(f"decoding {total:,} images from {tree.root} (once: they are cached)")
    paths = [tree.root / relative for relative, _ in (*tree.train, *tree.test)]
    images = torch.empty((total, 3, SIDE, SIDE), dtype=torch.uint8)
    decode(paths, images.numpy(), request.bar)
    labels = torch.tensor([index for _, index in (*tree.train, *tree.test)], dtype=torch.int64)
    cut = len(tree.train)
    return RawData(Split(images[:cut], labels[:cut]), Split(images[cut:], labels[cut:]), tree.class_names)


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
