"""The files that torchvision downloads: read from where it puts them, only with the checksums that it knows."""

import gzip
import hashlib
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat
from torchvision.datasets import KMNIST, MNIST, SVHN, FashionMNIST

from normbench.data.sources import torchvision_sets as sets
from normbench.data.sources.idx import read_idx
from normbench.data.sources.source import SourceRequest
from normbench.errors import DataError
from tests.file_server import serving

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 4, 5), dtype=np.uint8)
LABELS = np.array([0, 9, 3, 3, 1, 0], np.uint8)


def idx(array: np.ndarray) -> bytes:
    shape = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, 8, array.ndim]) + shape + array.tobytes()


def mat(images: np.ndarray, labels: np.ndarray) -> bytes:
    out = io.BytesIO()
    savemat(out, {"X": images.transpose(2, 3, 1, 0), "y": np.where(labels == 0, 10, labels)[:, None]})
    return out.getvalue()


MNIST_FILES = {
    f"{split}-{kind}-ubyte.gz": gzip.compress(idx(array[part]))
    for split, part in (("train", slice(4)), ("t10k", slice(4, 6)))
    for kind, array in (("images-idx3", IMAGES), ("labels-idx1", LABELS))
}
COLOUR = IMAGES[:, None].repeat(3, axis=1)
SVHN_FILES = {"train_32x32.mat": mat(COLOUR[:4], LABELS[:4]), "test_32x32.mat": mat(COLOUR[4:], LABELS[4:])}


def published(name: str, files: dict[str, bytes]) -> sets.Published:
    """The data set, if its official files were these."""
    known = {
        file: (hashlib.md5(content, usedforsecurity=False).hexdigest(), len(content)) for file, content in files.items()
    }
    return replace(sets.PUBLISHED[name], files=known, mirrors=("http://127.0.0.1:9/",))


def request(dir: Path | None, downloads: Path = Path("nowhere")) -> SourceRequest:
    return SourceRequest(dir, "data.dir", (), downloads, bar=False)


@pytest.mark.parametrize("known", [MNIST, FashionMNIST, KMNIST])
def test_the_files_are_those_torchvision_knows(known: type[MNIST]) -> None:
    ours = sets.PUBLISHED[known.__name__]
    assert {name: md5 for name, (md5, _) in ours.files.items()} == dict(known.resources)
    assert list(ours.mirrors) == known.mirrors
    assert list(ours.class_names) == known.classes
    assert ours.folder == f"{known.__name__}/raw"


def test_the_files_of_svhn_are_those_torchvision_knows() -> None:
    ours = sets.PUBLISHED["SVHN"]
    for url, name, md5 in (SVHN.split_list[split] for split in ("train", "test")):
        assert (url, md5) == (ours.mirrors[0] + name, ours.files[name][0])


@pytest.mark.parametrize(("name", "files"), [("MNIST", MNIST_FILES), ("SVHN", SVHN_FILES)])
def test_the_files_are_found_where_torchvision_puts_them(name: str, files: dict[str, bytes], tmp_path: Path) -> None:
    official = published(name, files)
    folder = tmp_path / official.folder
    folder.mkdir(parents=True, exist_ok=True)
    for file, content in files.items():
        (folder / file).write_bytes(content)
    for place in (tmp_path, folder):
        raw = sets.read(official, request(place))
        images = COLOUR if name == "SVHN" else IMAGES[:, None]
        assert np.array_equal(np.concatenate([raw.train.images.numpy(), raw.test.images.numpy()]), images)
        assert raw.train.labels.tolist() + raw.test.labels.tolist() == LABELS.tolist()
        assert raw.train.images.is_contiguous()
    first = folder / next(iter(files))
    first.write_bytes(first.read_bytes()[:-1] + b"?")
    with pytest.raises(DataError, match=f"{first}: its MD5 is .*nothing was read from it"):
        sets.read(official, request(tmp_path))
    first.unlink()
    with pytest.raises(DataError, match=f"{first}: cannot be read"):
        sets.read(official, request(tmp_path))


def test_a_place_without_the_files_and_a_missing_download_are_one_sentence(tmp_path: Path) -> None:
    official = published("MNIST", MNIST_FILES)
    with pytest.raises(DataError, match=r"no train-images-idx3-ubyte.gz in it, nor in MNIST/raw"):
        sets.read(official, request(tmp_path))
    with pytest.raises(DataError, match=r"MNIST could not be downloaded.*--data-dir.*--data synthetic"):
        sets.read(official, request(None, tmp_path))


def test_files_are_downloaded_once(tmp_path: Path) -> None:
    content = idx(IMAGES)
    official = replace(published("MNIST", {"good": content}), read=lambda place, files: (files["good"], files["good"]))
    with serving(content) as server:
        online = replace(official, mirrors=("http://127.0.0.1:9/", server.url("")))
        assert sets.read(online, request(None, tmp_path)).train == content
    assert sets.read(official, request(None, tmp_path)).test == content


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "not a file of unsigned bytes"),
        (b"\0\0\x0d\x01\0\0\0\x01\0", "not a file of unsigned bytes"),
        (b"\0\0\x08\x03\0\0", "ends within its header"),
        (idx(LABELS)[:-1], "promises 6 values, and there are 5"),
        (b"\0\0\x08\x03" + b"\xff" * 12, "promises .* values"),
    ],
)
def test_an_idx_file_of_another_form_is_refused(content: bytes, complaint: str) -> None:
    with pytest.raises(DataError, match=f"here: .*{complaint}"):
        read_idx("here", content)


@pytest.mark.parametrize("content", [b"", b"MATLAB 5.0", SVHN_FILES["train_32x32.mat"][:300]])
def test_a_mat_file_of_another_form_is_refused(content: bytes, tmp_path: Path) -> None:
    files = {**SVHN_FILES, "train_32x32.mat": content}
    for file, written in files.items():
        (tmp_path / file).write_bytes(written)
    with pytest.raises(DataError, match=r"train_32x32.mat: not a file of SVHN"):
        sets.read(published("SVHN", files), request(tmp_path))
