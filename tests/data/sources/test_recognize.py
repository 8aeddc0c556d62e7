"""Data of another kind are called by what they are, and never said to be damaged."""

import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from normbench.data.sources.recognize import what_it_is


def archive(*names: str, mode: str = "w:gz") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as tar:  # type: ignore[call-overload]
        for name in names:
            tar.addfile(tarfile.TarInfo(name))
    return buffer.getvalue()


def zipped(name: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr(name, b"")
    return buffer.getvalue()


def npz() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, images=np.zeros(3))
    return buffer.getvalue()


KINDS = {
    "CIFAR-100": archive("cifar-100-python", "cifar-100-python/train"),
    "CIFAR-10 in its binary version": archive("cifar-10-batches-bin/data_batch_1.bin"),
    "CIFAR-10 that was packed anew": archive("cifar-10-batches-py/data_batch_1", *map(str, range(9))) + bytes(9000),
    "not downloaded to its end": archive("cifar-10-batches-py/data_batch_1")[:-9],
    "another archive, with mine/1.png": archive("mine/1.png"),
    "not compressed": archive("cifar-10-batches-py/data_batch_1", mode="w"),
    "packed with bzip2": archive("x", mode="w:bz2"),
    "holds no archive": b"\x1f\x8b" + bytes(100),
    "NumPy archive (.npz)": npz(),
    "ZIP": zipped("train/1.png"),
    "a ZIP": b"PK\x03\x04" + bytes(50),
    "Parquet": b"PAR1" + bytes(100),
    "NumPy array": b"\x93NUMPY" + bytes(100),
    ".bin": b"\x03" * 3073 * 2,
    "a pickle": b"\x80\x02}",
    "web page": b"\n<!DOCTYPE html><html>",
    "git lfs pull": b"version https://git-lfs.github.com/spec/v1\n",
    "empty": b"",
    "5 bytes of another kind": b"hello",
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_is_called_by_what_it_is(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(KINDS[kind])
    with path.open("rb") as file:
        assert kind in what_it_is(file, "CIFAR-10", "cifar-10-batches-py", size_expected=5000)
