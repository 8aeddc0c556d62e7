"""Arrays of images and labels: every usual name and layout, and files that promise more than they hold."""

import io
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from normbench.data.sources.npz import npz, read
from normbench.data.sources.source import SourceRequest
from normbench.errors import DataError

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.integers(0, 256, (6, 5, 4, 3), dtype=np.uint8)
LABELS = np.array([0, 1, 2, 0, 1, 2])


def written(path: Path, **arrays: Any) -> Path:
    np.savez_compressed(path, **arrays)
    return path


def request(place: Path) -> SourceRequest:
    return SourceRequest(place, "data.dir", (), place / "downloads", bar=False)


@pytest.mark.parametrize(
    "names",
    [
        ("x_train", "y_train", "x_test", "y_test"),
        ("X_train", "Y_train", "X_test", "Y_test"),
        ("train_images", "train_labels", "test_images", "test_labels"),
        ("images_training", "targets_training", "images_testing", "targets_testing"),
        ("images", "labels", "x_test", "y_test"),
    ],
)
def test_the_names_of_the_arrays_say_what_they_are(names: tuple[str, ...], tmp_path: Path) -> None:
    arrays = dict(zip(names, (IMAGES[:4], LABELS[:4], IMAGES[4:], LABELS[4:, None]), strict=True))
    raw = read(written(tmp_path / "a.npz", **arrays, ids_train=np.arange(4)))
    assert raw.class_names == ("0", "1", "2")
    assert raw.train.labels.tolist() + raw.test.labels.tolist() == LABELS.tolist()
    assert np.array_equal(raw.train.images.numpy(), IMAGES[:4].transpose(0, 3, 1, 2))
    assert raw.train.images.is_contiguous()


@pytest.mark.parametrize(
    ("images", "shape"),
    [
        (IMAGES, (3, 5, 4)),
        (IMAGES.transpose(0, 3, 1, 2), (3, 5, 4)),
        (IMAGES[..., 0], (1, 5, 4)),
        (IMAGES[..., :1], (1, 5, 4)),
        (np.asfortranarray(IMAGES), (3, 5, 4)),
    ],
)
def test_images_may_be_stored_in_each_usual_order(
    images: np.ndarray[Any, Any], shape: tuple[int, ...], tmp_path: Path
) -> None:
    raw = read(written(tmp_path / "a.npz", x_train=images, y_train=LABELS, x_test=images, y_test=LABELS))
    assert raw.train.images.shape == (6, *shape)
    assert np.array_equal(raw.test.images[:, 0].numpy(), IMAGES[..., 0])


def test_classes_have_names(tmp_path: Path) -> None:
    arrays = {"x_train": IMAGES, "x_test": IMAGES}
    names = np.array(["cat", "dog", "eel", "fox"])
    raw = read(written(tmp_path / "a.npz", **arrays, y_train=LABELS, y_test=LABELS, class_names=names))
    assert raw.class_names == ("cat", "dog", "eel", "fox")
    raw = read(written(tmp_path / "b.npz", **arrays, y_train=names[LABELS], y_test=names[LABELS[::-1]]))
    assert raw.class_names == ("cat", "dog", "eel")
    assert raw.test.labels.tolist() == LABELS[::-1].tolist()
    raw = read(written(tmp_path / "c.npz", **arrays, y_train=LABELS * 5 + 5, y_test=LABELS * 5 + 5))
    assert raw.class_names == ("5", "10", "15")


WHOLE = {"x_train": IMAGES, "y_train": LABELS, "x_test": IMAGES, "y_test": LABELS}
BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no labels": ({"x_train": IMAGES}, "the train split has no labels"),
    "no training images": ({"x_test": IMAGES, "y_test": LABELS}, "no training images"),
    "nothing known": ({"arr_0": IMAGES}, "no training images"),
    "two of one kind": ({**WHOLE, "images": IMAGES}, "images of the train split too"),
    "fractions": ({**WHOLE, "x_train": IMAGES / 255}, r"a.npz: x_train: the images are float64.*astype\('uint8'\)"),
    "flat": ({**WHOLE, "x_train": IMAGES.reshape(6, -1)}, "x_train: the images are uint8 .6, 60"),
    "four channels": ({**WHOLE, "x_train": np.zeros((6, 5, 4, 4), np.uint8)}, "x_train: .* with C 1 or 3"),
    "either order": ({**WHOLE, "x_train": np.zeros((6, 3, 4, 3), np.uint8)}, "x_train: .* with C 1 or 3"),
    "no images": ({**WHOLE, "x_train": IMAGES[:0], "y_train": LABELS[:0]}, "x_train: the images are"),
    "fewer labels": ({**WHOLE, "y_test": LABELS[1:]}, "y_test: the labels are .* each of the 6 images"),
    "one-hot labels": ({**WHOLE, "y_test": np.eye(6, 3, dtype=int)}, r"y_test: .* save y.argmax\(1\)"),
    "fractions as labels": ({**WHOLE, "y_test": LABELS / 2}, "y_test: the labels are float64"),
    "objects": ({**WHOLE, "y_test": LABELS.astype(object)}, "y_test: holds Python objects, which are never loaded"),
    "a class of the test only": ({**WHOLE, "y_test": LABELS + 1}, "test images have the label '3'.*0, 1, 2"),
    "one class": ({**WHOLE, "y_train": LABELS * 0}, "only one class, '0'"),
    "an index without a name": ({**WHOLE, "class_names": np.array(["a", "b"])}, "the label '2'.*a, b"),
    "names that cannot be shown": ({**WHOLE, "classes": np.array(["a", "b", "\x1b[2J"])}, r"the class '\\+x1b"),
}


@pytest.mark.parametrize(("arrays", "complaint"), BAD.values(), ids=list(BAD))
def test_what_is_wrong_is_named(arrays: dict[str, Any], complaint: str, tmp_path: Path) -> None:
    path = written(tmp_path / "a.npz", **arrays)
    with pytest.raises(DataError, match=complaint) as caught:
        read(path)
    assert str(path) in str(caught.value)


def with_member(path: Path, header: bytes, content: bytes) -> Path:
    """A whole archive, of which x_train is replaced."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in WHOLE.items():
            buffer = io.BytesIO()
            np.save(buffer, array)
            archive.writestr(f"{name}.npy", header + content if name == "x_train" else buffer.getvalue())
    return path


def header(shape: tuple[int, ...], descr: str = "|u1") -> bytes:
    text = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape!r}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


def test_an_array_is_refused_by_its_header_before_it_is_unpacked(tmp_path: Path) -> None:
    for shape, content, complaint in (
        ((10**9, 32, 32, 3), b"", "at most"),
        ((10**6, 32, 32, 3), b"\0" * 100, "promises"),
        ((6, 10**4, 10**4, 3), b"\0" * 10**6, "promises"),
    ):
        with pytest.raises(DataError, match=f"x_train: .*{complaint}"):
            read(with_member(tmp_path / "bomb.npz", header(shape), content))
    long = header((6, 5, 4, 3)).replace(b"}", b" " * 60_000 + b"}")
    for start in (b"", b"\x93NUMPY\x09\x00", b"\x93NUMPY\x01\x00\xff\xff{", b"\x93NUMPY\x01\x00\x02\x00[]", long):
        with pytest.raises(DataError, match="x_train: not a NumPy array"):
            read(with_member(tmp_path / "bad.npz", start, b""))


def test_a_file_that_is_no_archive_or_damaged_is_named(tmp_path: Path) -> None:
    path = written(tmp_path / "a.npz", **WHOLE)
    content = bytearray(path.read_bytes())
    content[len(content) // 4] ^= 1
    for bad in (b"", b"hello", bytes(content), bytes(content[:-30])):
        path.write_bytes(bad)
        with pytest.raises(DataError, match=str(path)):
            read(path)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(DataError, match="a pipe"):
        read(path)


def test_the_place_is_a_file_or_a_folder_with_one(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="needs a place"):
        npz(SourceRequest(None, "data.dir", (), tmp_path, bar=False))
    with pytest.raises(DataError, match=r"holds no file .npz"):
        npz(request(tmp_path))
    with pytest.raises(DataError, match="nothing is there"):
        npz(request(tmp_path / "a.npz"))
    path = written(tmp_path / "a.npz", **WHOLE)
    found = npz(request(tmp_path))
    assert (found.name, found.slot) == ("a", npz(request(path)).slot)
    before = found.identity()
    written(path, **WHOLE, more=LABELS)
    assert npz(request(path)).identity() != before
    written(tmp_path / "b.npz", **WHOLE)
    with pytest.raises(DataError, match=r"a.npz, b.npz: name one"):
        npz(request(tmp_path))
