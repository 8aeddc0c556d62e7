"""The `cifar10` source: the official archive, from the place that the user names or downloaded once."""

import logging
from functools import partial
from pathlib import Path

from normbench.data.download import DownloadFailed, fetch
from normbench.data.sources.cifar10_files import Archive, read_archive, read_extracted
from normbench.data.sources.source import RawData, SourceInput, SourceRequest
from normbench.errors import DataError

log = logging.getLogger(__name__)

# Written down here, because torchvision takes seconds to import and a cached data set needs nothing but the MD5. A test
# compares it with torchvision's.
MD5 = "c58f30108f718f92721af3b95e74349a"
SIZE = 170_498_071
"""Bytes of the official archive, which torchvision does not state."""


def official() -> Archive:
    """The official archive as torchvision knows it."""
    from torchvision.datasets import CIFAR10

    return Archive(
        url=CIFAR10.url,
        filename=CIFAR10.filename,
        md5=CIFAR10.tgz_md5,
        size=SIZE,
        folder=CIFAR10.base_folder,
        train_files=dict(CIFAR10.train_list),
        test_files=dict(CIFAR10.test_list),
        meta_file=(CIFAR10.meta["filename"], CIFAR10.meta["md5"]),
    )


def cifar10(request: SourceRequest) -> SourceInput:
    """CIFAR-10 (Krizhevsky 2009): 50,000 + 10,000 images of 10 classes. Once in the cache, it needs no archive."""
    return SourceInput("cifar10", lambda: MD5, partial(_read, request))


def _read(request: SourceRequest) -> RawData:
    archive = official()
    if request.dir is not None:
        try:
            place = _find(request.dir, request.dir_given_by, archive)
        except OSError as error:
            raise DataError(f"{request.dir} (from {request.dir_given_by}): cannot be read: {error.strerror}") from error
        log.info(f"reading CIFAR-10 from {place}")
        return read_extracted(place, archive) if place.is_dir() else read_archive(place, archive)
    target = request.downloads / archive.filename
    if target.exists():
        try:
            return read_archive(target, archive)
        except DataError as error:
            log.info(f"{error}: downloading it again")
    _download(request, archive, target)
    return read_archive(target, archive)


def _find(place: Path, given_by: str, archive: Archive) -> Path:
    """The archive or the extracted folder at the place that the user named."""
    if place.is_file():
        return place
    if (place / archive.filename).is_file():
        return place / archive.filename
    for folder in (place / archive.folder, place):
        if any((folder / name).is_file() for name in archive.file_md5s):
            return folder
    if not place.exists():
        found = "nothing is there"
    elif any((place / split).is_dir() for split in ("train", "test")):
        found = "it looks like a folder of images, which --data folder reads"
    elif (place / "data_batch_1.bin").exists():
        found = "it holds CIFAR-10 in its binary version, which is not read"
    elif (place / "meta").is_file() and (place / "train").is_file():
        found = "it holds CIFAR-100"
    else:
        found = "neither is in it"
    raise DataError(
        f"{place} (from {given_by}): expected {archive.filename} or the extracted folder {archive.folder}, "
        f"but {found}; leave {given_by} out to download CIFAR-10"
    )


def _download(request: SourceRequest, archive: Archive, target: Path) -> None:
    urls = tuple(dict.fromkeys((archive.url, *request.urls)))
    try:
        fetch(urls, target, archive.md5, archive.size, request.bar)
    except DownloadFailed as error:
        raise DataError(
            f"CIFAR-10 could not be downloaded: {error}. Ways out: put {archive.filename} into {target.parent}; or "
            "name the place where it lies with --data-dir (or data.dir, or NORMBENCH_DATA); or give another address in "
            "data.urls; or train on images made on the spot: --data synthetic"
        ) from error
