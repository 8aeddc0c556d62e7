"""The sources `torchvision:MNIST`, `:FashionMNIST`, `:KMNIST` and `:SVHN`: the files that torchvision downloads.

They are taken from where torchvision puts them (`<place>/MNIST/raw/`, and `<place>/` for SVHN) or downloaded, and read
once their MD5 is the one that torchvision knows. Torchvision itself is not used: it takes seconds to import.
"""

import gzip
import io
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from normbench.data.dataset import RawData, Split
from normbench.data.download import DownloadFailed, fetch, md5_of
from normbench.data.sources.idx import read_idx
from normbench.data.sources.source import SourceInput, SourceRequest
from normbench.errors import DataError
from normbench.files import read_regular
from normbench.text import reason

MAX_UNPACKED_BYTES = 100_000_000
"""Of a .gz file; the largest official one has 47 million."""

Content = Mapping[str, bytes]
"""The files of a data set by name."""


@dataclass(frozen=True)
class Published:
    """A data set as it is published: (MD5, size in bytes) of its files, where they are, and how they are read.

    `folder` is the one below torchvision's root.
    """

    title: str
    mirrors: tuple[str, ...]
    folder: str
    files: Mapping[str, tuple[str, int]]
    class_names: tuple[str, ...]
    read: Callable[[Path, Content], tuple[Split, Split]]

    @property
    def identity(self) -> str:
        return " ".join(md5 for md5, _ in self.files.values())


def _idx_splits(place: Path, content: Content) -> tuple[Split, Split]:
    train, test = (
        _split(
            *(
                read_idx(f"{place / name}", _unpacked(place / name, content[name]))
                for name in (f"{split}-images-idx3-ubyte.gz", f"{split}-labels-idx1-ubyte.gz")
            )
        )
        for split in ("train", "t10k")
    )
    return train, test


def _unpacked(path: Path, content: bytes) -> bytes:
    try:
        with gzip.open(io.BytesIO(content)) as file:
            return file.read(MAX_UNPACKED_BYTES)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be unpacked: {reason(error)}") from error


def _mat_splits(place: Path, content: Content) -> tuple[Split, Split]:
    from scipy.io import loadmat  # slow to import

    found = []
    for name in ("train_32x32.mat", "test_32x32.mat"):
        try:
            values = loadmat(io.BytesIO(content[name]), variable_names=("X", "y"))
            images, labels = values["X"].transpose(3, 2, 0, 1), values["y"].ravel() % 10  # 10 stands for the digit 0
        except Exception as error:  # for a malformed file scipy raises a dozen types
            raise DataError(f"{place / name}: not a file of SVHN: {reason(error)}") from error
        found.append(_split(images, labels))
    return found[0], found[1]


def _split(images: NDArray[np.uint8], labels: NDArray[np.uint8]) -> Split:
    if images.ndim == 3:
        images = images[:, None]
    return Split(torch.from_numpy(np.array(images, order="C")), torch.from_numpy(labels.astype(np.int64)))


def _like_mnist(
    name: str, mirrors: Sequence[str], class_names: Sequence[str], files: Sequence[tuple[str, int]]
) -> Published:
    names = [f"{split}-{kind}-ubyte.gz" for split in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")]
    return Published(
        title=name,
        mirrors=tuple(mirrors),
        folder=f"{name}/raw",
        files=dict(zip(names, files, strict=True)),
        class_names=tuple(class_names),
        read=_idx_splits,
    )


# The MD5s are torchvision's, which a test compares. The sizes are those of the files with these MD5s.
PUBLISHED = {
    "MNIST": _like_mnist(
        "MNIST",
        ["https://ossci-datasets.s3.amazonaws.com/mnist/", "http://yann.lecun.com/exdb/mnist/"],
        [
            *("0 - zero", "1 - one", "2 - two", "3 - three", "4 - four"),
            *("5 - five", "6 - six", "7 - seven", "8 - eight", "9 - nine"),
        ],
        [
            ("f68b3c2dcbeaaa9fbdd348bbdeb94873", 9_912_422),
            ("d53e105ee54ea40749a09fcbcd1e9432", 28_881),
            ("9fb629c4189551a2d022fa330f9573f3", 1_648_877),
            ("ec29112dd5afa0611ce80d1b7f02629c", 4_542),
        ],
    ),
    "FashionMNIST": _like_mnist(
        "FashionMNIST",
        ["http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"],
        ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"],
        [
            ("8d4fb7e6c68d591d4c3dfef9ec88bf0d", 26_421_880),
            ("25c81989df183df01b3e8a0aad5dffbe", 29_515),
            ("bef4ecab320f06d8554ea6380940ec79", 4_422_102),
            ("bb300cfdad3c16e7a12a480ee83cd310", 5_148),
        ],
    ),
    "KMNIST": _like_mnist(
        "KMNIST",
        ["http://codh.rois.ac.jp/kmnist/dataset/kmnist/"],
        ["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"],
        [
            ("bdb82020997e1d708af4cf47b453dcf7", 18_165_135),
            ("e144d726b3acfaa3e44228e80efcd344", 29_497),
            ("5c965bf0a639b31b8f53240b1b52f4d7", 3_041_136),
            ("7320c461ea6c1c855c0b718fb2a4b134", 5_120),
        ],
    ),
    "SVHN": Published(
        title="SVHN",
        mirrors=("http://ufldl.stanford.edu/housenumbers/",),
        folder="",
        files={
            "train_32x32.mat": ("e26dedcc434d2e4c54c9b2d4a06d8373", 182_040_794),
            "test_32x32.mat": ("eb5a983be6a315427106f1b164d9cef3", 64_275_384),
        },
        class_names=tuple("0123456789"),
        read=_mat_splits,
    ),
}


def mnist(request: SourceRequest) -> SourceInput:
    """MNIST (LeCun et al. 1998): 60,000 + 10,000 digits, 28x28, grey."""
    return _source("MNIST", request)


def fashion_mnist(request: SourceRequest) -> SourceInput:
    """Fashion-MNIST (Xiao et al. 2017): 60,000 + 10,000 pieces of clothing, 28x28, grey."""
    return _source("FashionMNIST", request)


def kmnist(request: SourceRequest) -> SourceInput:
    """Kuzushiji-MNIST (Clanuwat et al. 2018): 60,000 + 10,000 cursive characters, 28x28, grey."""
    return _source("KMNIST", request)


def svhn(request: SourceRequest) -> SourceInput:
    """SVHN (Netzer et al. 2011): 73,257 + 26,032 digits of house numbers, 32x32; needs no extra images."""
    return _source("SVHN", request)


def _source(name: str, request: SourceRequest) -> SourceInput:
    published = PUBLISHED[name]
    return SourceInput(
        f"torchvision-{name}",
        lambda: published.identity,
        partial(read, published, request),
        name="Fashion-MNIST" if name == "FashionMNIST" else name,
    )


def read(published: Published, request: SourceRequest) -> RawData:
    """The data in the named place, or downloaded. Raises DataError that names a missing, damaged or wrong file."""
    if request.dir is None:
        place = request.downloads / "torchvision" / published.folder
        content = {name: _downloaded(published, place / name, request) for name in published.files}
    else:
        place = _place(published, request)
        content = {name: _read(place / name, *known) for name, known in published.files.items()}
    train, test = published.read(place, content)
    return RawData(train=train, test=test, class_names=published.class_names)


def _place(published: Published, request: SourceRequest) -> Path:
    """The folder with the files: where torchvision puts them below the named place, or the place itself."""
    assert request.dir is not None
    for folder in (request.dir / published.folder, request.dir):
        if any((folder / name).is_file() for name in published.files):
            return folder
    raise DataError(
        f"{request.dir} (from {request.dir_given_by}): no {next(iter(published.files))} in it, nor in "
        f"{published.folder or 'it'}; leave {request.dir_given_by} out to download {published.title}"
    )


def _read(path: Path, md5: str, size: int) -> bytes:
    try:
        content = read_regular(path, size)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    if (found := md5_of(io.BytesIO(content))) != md5:
        raise DataError(
            f"{path}: its MD5 is {found}, expected {md5}: the file is damaged, or not the official one; nothing was "
            "read from it"
        )
    return content


def _downloaded(published: Published, target: Path, request: SourceRequest) -> bytes:
    md5, size = published.files[target.name]
    if target.exists():
        try:
            return _read(target, md5, size)
        except DataError:  # downloaded again
            pass
    try:
        fetch([mirror + target.name for mirror in published.mirrors], target, md5, size, request.bar)
    except DownloadFailed as error:
        raise DataError(
            f"{published.title} could not be downloaded: {error}. Ways out: put {', '.join(published.files)} into "
            f"{target.parent}; or name the folder where torchvision has put them with --data-dir; or train on images "
            "made on the spot: --data synthetic"
        ) from error
    return _read(target, md5, size)
