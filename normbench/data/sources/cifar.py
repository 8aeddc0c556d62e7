"""The sources `cifar10`, `cifar100` and `cifar100-coarse`: the official archive, from the named place or downloaded.

The place may hold the Python or the binary version, packed or extracted. Once in the cache, the data need no archive.
"""

import logging
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from normbench.data.dataset import RawData
from normbench.data.download import DownloadFailed, fetch
from normbench.data.normalization import CIFAR10_CONSTANTS
from normbench.data.sources import cifar_archives
from normbench.data.sources.cifar_files import Archive, read_archive, read_extracted
from normbench.data.sources.source import SourceInput, SourceRequest
from normbench.errors import DataError

log = logging.getLogger(__name__)


def cifar10(request: SourceRequest) -> SourceInput:
    """CIFAR-10 (Krizhevsky 2009): 50,000 + 10,000 images of 10 classes."""
    return _source("cifar10", "CIFAR-10", cifar_archives.CIFAR10, request)


def cifar100(request: SourceRequest) -> SourceInput:
    """CIFAR-100 (Krizhevsky 2009): 50,000 + 10,000 images of 100 classes."""
    return _source("cifar100", "CIFAR-100", cifar_archives.CIFAR100, request)


def cifar100_coarse(request: SourceRequest) -> SourceInput:
    """CIFAR-100 with its 20 superclasses, such as `fish`, as classes."""
    return _source("cifar100-coarse", "CIFAR-100 (superclasses)", cifar_archives.CIFAR100_COARSE, request)


def _source(source: str, name: str, versions: Sequence[Archive], request: SourceRequest) -> SourceInput:
    """The version that is in the named place, else the first, which is downloaded. Each has its own cache file."""
    chosen = versions[0]
    for archive in versions:
        with suppress(OSError):  # said when it is read
            if request.dir is not None and _place_of(archive, request.dir):
                chosen = archive
                break
    slot = source if chosen is versions[0] else f"{source}-binary"
    constants = CIFAR10_CONSTANTS if source == "cifar10" else None
    return SourceInput(slot, lambda: chosen.md5, partial(_read, request, chosen), name, constants)


def _place_of(archive: Archive, place: Path) -> Path | None:
    """The archive or its extracted folder at the place that the user named; None if neither is there."""
    if place.is_file():
        return place if place.name == archive.filename or place.stat().st_size == archive.size else None
    if (place / archive.filename).is_file():
        return place / archive.filename
    for folder in (place / archive.folder, place):
        if any((folder / name).is_file() for name in archive.md5s):
            return folder
    return None


def _read(request: SourceRequest, archive: Archive) -> RawData:
    if request.dir is not None:
        try:
            place = request.dir if request.dir.is_file() else _place_of(archive, request.dir)
        except OSError as error:
            raise DataError(f"{request.dir} (from {request.dir_given_by}): cannot be read: {error.strerror}") from error
        if place is None:
            raise _nothing_found(request.dir, request.dir_given_by, archive)
        log.info(f"reading {archive.title} from {place}")
        return read_extracted(place, archive) if place.is_dir() else read_archive(place, archive)
    target = request.downloads / archive.filename
    if target.exists():
        try:
            return read_archive(target, archive)
        except DataError as error:
            log.info(f"{error}: downloading it again")
    _download(request, archive, target)
    return read_archive(target, archive)


def _nothing_found(place: Path, given_by: str, archive: Archive) -> DataError:
    others = (*cifar_archives.CIFAR10, *cifar_archives.CIFAR100)
    held = [other.title for other in others if other.title != archive.title and _place_of(other, place)]
    if not place.exists():
        found = "nothing is there"
    elif held:
        found = f"it holds {held[0]}"
    elif any((place / split).is_dir() for split in ("train", "test")):
        found = "it looks like a folder of images, which --data folder reads"
    else:
        found = "neither is in it"
    return DataError(
        f"{place} (from {given_by}): expected {archive.filename} or the extracted folder {archive.folder}, "
        f"but {found}; leave {given_by} out to download {archive.title}"
    )


def _download(request: SourceRequest, archive: Archive, target: Path) -> None:
    urls = tuple(dict.fromkeys((archive.url, *request.urls)))
    try:
        fetch(urls, target, archive.md5, archive.size, request.bar)
    except DownloadFailed as error:
        raise DataError(
            f"{archive.title} could not be downloaded: {error}. Ways out: put {archive.filename} into {target.parent}; "
            "or name the place where it lies with --data-dir (or data.dir, or NORMBENCH_DATA); or give another address "
            "in data.urls; or train on images made on the spot: --data synthetic"
        ) from error
