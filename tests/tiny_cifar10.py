"""A few images in the official CIFAR-10 batch format, pickled as Python 2 did, for tests that need an archive."""

import hashlib
import io
import struct
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from normbench.data.sources import cifar_archives
from normbench.data.sources.cifar_files import Archive

NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def text(value: bytes) -> bytes:
    return b"T" + struct.pack("<i", len(value)) + value  # BINSTRING: a Python 2 str


def integers(values: list[int]) -> bytes:
    return b"](" + b"".join(b"J" + struct.pack("<i", v) for v in values) + b"e"


def array(data: NDArray[np.uint8], by_columns: bool) -> bytes:
    """A uint8 matrix as NumPy under Python 2 pickled it (protocol 2)."""
    start = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + text(b"b") + b"\x87R(K\x01"
    shape = b"".join(b"J" + struct.pack("<i", n) for n in data.shape)
    dtype = b"cnumpy\ndtype\n" + text(b"u1") + b"K\x00K\x01\x87R(K\x03" + text(b"|") + b"NNN" + b"J\xff\xff\xff\xff" * 2
    values = (b"\x88" if by_columns else b"\x89") + text(data.tobytes("F" if by_columns else "C"))
    return start + shape + b"\x86" + dtype + b"K\x00tb" + values + b"tb"


def pickled(items: dict[bytes, bytes]) -> bytes:
    """A pickled dict from keys and values that are pickled already."""
    return b"\x80\x02}(" + b"".join(text(key) + value for key, value in items.items()) + b"u."


def batch(data: NDArray[np.uint8], labels: list[int], by_columns: bool = False) -> bytes:
    return pickled({b"batch_label": text(b"a batch"), b"labels": integers(labels), b"data": array(data, by_columns)})


def batch_files(per_batch: int = 20, seed: int = 0) -> tuple[dict[str, bytes], NDArray[np.uint8], list[int]]:
    """The seven files by name, and what is in them in order: data uint8 [n, 3072] and labels, the test batch last."""
    rng = np.random.default_rng(seed)
    files, all_data, all_labels = {}, [], []
    for name in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"):
        data = rng.integers(0, 256, (per_batch, 3072), dtype=np.uint8)
        labels = [int(label) for label in rng.permutation(per_batch) % 10]
        files[name] = batch(data, labels)
        all_data.append(data)
        all_labels += labels
    names = b"](" + b"".join(text(name.encode()) for name in NAMES) + b"e"
    files["batches.meta"] = pickled({b"num_cases_per_batch": b"K\x14", b"label_names": names})
    return files, np.concatenate(all_data), all_labels


def packed(files: dict[str, bytes], folder: str = "cifar-10-batches-py") -> bytes:
    """A .tar.gz of the files."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz", compresslevel=1) as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(f"{folder}/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return out.getvalue()


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def describe(files: dict[str, bytes], content: bytes, url: str = "http://127.0.0.1:9/none") -> Archive:
    """The official archive, if it were this one. Nothing listens on port 9."""
    real, _ = cifar_archives.CIFAR10
    return replace(
        real,
        url=url,
        md5=md5(content),
        size=len(content),
        train_files={name: md5(files.get(name, b"")) for name in real.train_files},
        test_files={name: md5(files.get(name, b"")) for name in real.test_files},
        names_file=(real.names_file[0], md5(files.get(real.names_file[0], b""))),
    )


def write_archive(folder: Path, content: bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "cifar-10-python.tar.gz"
    path.write_bytes(content)
    return path


def pretend(monkeypatch: pytest.MonkeyPatch, files: dict[str, bytes], content: bytes, url: str | None = None) -> None:
    """Have this content taken for the official archive."""
    archive = describe(files, content, *([url] if url else []))
    monkeypatch.setattr(cifar_archives, "CIFAR10", (archive, cifar_archives.CIFAR10[1]))
