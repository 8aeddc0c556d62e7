"""What a file is that was given in place of CIFAR's official archive: known by its size, its first bytes, its names.

So that nobody is told that good data of another kind are damaged.
"""

import gzip
import io
import os
import tarfile
import zipfile
from contextlib import suppress
from io import BufferedReader

# Folders in the archives at https://www.cs.toronto.edu/~kriz/cifar.html.
_BY_FOLDER = {
    "cifar-10-batches-py": "CIFAR-10",
    "cifar-100-python": "CIFAR-100",
    "cifar-100-binary": "CIFAR-100 in its binary version",
    "cifar-100-matlab": "CIFAR-100 for MATLAB",
    "cifar-10-batches-bin": "CIFAR-10 in its binary version",
    "cifar-10-batches-mat": "CIFAR-10 for MATLAB",
}
_BY_START = {
    b"PAR1": "a Parquet file, which --data parquet reads",
    b"\x93NUMPY": "a NumPy array (.npy)",
    b"\x89HDF": "an HDF5 file",
    b"\x89PNG": "an image",
    b"\xff\xd8\xff": "an image",
    b"version https://git-lfs": "the pointer that Git LFS leaves in place of a file: fetch the file with git lfs pull",
    b"BZh": "an archive packed with bzip2",
    b"\xfd7zXZ": "an archive packed with xz",
    b"7z\xbc\xaf": "a 7-Zip archive",
    b"Rar!": "a RAR archive",
    b"\x80": "a pickle, such as a single batch of CIFAR-10",
}
_WEB_PAGE = (b"<!doctype", b"<html")
_BINARY_RECORD = 1 + 3 * 32**2  # a label and an image, in a .bin file of CIFAR-10
_MAX_UNPACKED_BYTES = 2**20  # the first names in an archive are there


def what_it_is(file: BufferedReader, title: str, folder: str, size_expected: int) -> str:
    """A few words, such as `CIFAR-100`, for an open file that is not the official archive of `title`.

    That archive has `folder` in it, and `size_expected` bytes.
    """
    size = os.fstat(file.fileno()).st_size
    file.seek(0)
    start = file.read(512)
    if not start:
        return "empty"
    if start.lstrip().lower().startswith(_WEB_PAGE):
        return "a web page"
    for beginning, name in _BY_START.items():
        if start.startswith(beginning):
            return name
    if start.startswith(b"PK"):
        return _zip(file)
    if start.startswith(b"\x1f\x8b"):
        return _gzip(file, title, folder, size < size_expected)
    if start[257:262] == b"ustar":
        return "an archive that is not compressed (.tar)"
    if size % _BINARY_RECORD == 0:
        return "a batch of CIFAR-10's binary version (.bin)"
    return f"a file of {size:,} bytes of another kind"


def _zip(file: BufferedReader) -> str:
    with suppress(Exception), zipfile.ZipFile(file) as archive:  # zipfile raises a dozen types for crafted files
        names = archive.namelist()
        if names and all(name.endswith(".npy") for name in names):
            return "a NumPy archive (.npz), which --data npz reads"
    return "a ZIP archive"


def _gzip(file: BufferedReader, title: str, folder: str, is_short: bool) -> str:
    """By the first names in it: the archive packed anew, or not all there, is told from other archives."""
    size = os.fstat(file.fileno()).st_size
    names: list[str] = []
    file.seek(0)
    with (
        suppress(Exception),  # gzip and tarfile raise a dozen types for crafted files
        gzip.open(file) as unpacked,
        tarfile.open(fileobj=io.BytesIO(unpacked.read1(_MAX_UNPACKED_BYTES))) as archive,
    ):
        names.extend(member.name for member in archive)
    if any(folder in member for member in names):
        if is_short:
            return f"only {size:,} bytes of {title}, which was not downloaded to its end or was packed anew"
        return f"{title} that was packed anew; its extracted folder may be given instead"
    for other, name in _BY_FOLDER.items():
        if any(other in member for member in names):
            return name
    if names:
        return f"another archive, with {names[0]:.60} in it"
    return "a file packed with gzip that holds no archive"
