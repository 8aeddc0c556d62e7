"""CIFAR-10 batches: hashed before they are unpickled, never run, never extracted."""

import io
import os
import pickle
import tarfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from normbench.data.dataset import RawData
from normbench.data.sources.cifar_files import read_archive, read_extracted
from normbench.errors import DataError
from tests import tiny_cifar10 as tiny

FILES, DATA, LABELS = tiny.batch_files()
CONTENT = tiny.packed(FILES)
INSIDE = "cifar-10-batches-py/data_batch_1"


@dataclass
class Reader:
    """Reads the place as if `content` (the packed `files`) were the official archive."""

    files: dict[str, bytes]
    content: bytes

    def __call__(self, place: Path) -> RawData:
        archive = tiny.describe(self.files, self.content)
        return read_extracted(place, archive) if place.is_dir() else read_archive(place, archive)


READ = Reader(FILES, CONTENT)


def write_extracted(folder: Path, files: dict[str, bytes] = FILES) -> Path:
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def check(raw: RawData) -> None:
    train, test = raw.train, raw.test
    assert raw.class_names == tiny.NAMES
    assert train.images.shape == (100, 3, 32, 32)
    assert train.images.is_contiguous()
    images = np.concatenate([train.images.numpy(), test.images.numpy()])
    assert np.array_equal(images.reshape(-1, 3072), DATA)
    assert train.labels.tolist() + test.labels.tolist() == LABELS


EVIL_FILES = dict.fromkeys(FILES, b"evil")
"""No pickles: had one been unpickled, the error would say so instead of naming the hash."""
EVIL = tiny.packed(EVIL_FILES)
DAMAGED = {
    "truncated": CONTENT[:-100],
    "changed": CONTENT[:-1] + b"\x01",
    "evil": EVIL,
    "evil of the right size": EVIL.ljust(len(CONTENT), b"\0"),  # gzip allows zeros after the end
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=list(DAMAGED))
def test_a_wrong_hash_is_found_before_an_archive_is_unpickled(tmp_path: Path, content: bytes) -> None:
    path = tiny.write_archive(tmp_path, content)
    what = "its MD5 is" if len(content) == len(CONTENT) else "is .*"
    with pytest.raises(DataError, match=f"{path}: {what}.*expected"):
        READ(path)
    if content.startswith(EVIL):
        with pytest.raises(DataError, match="not a CIFAR batch"):
            Reader(EVIL_FILES, content)(path)


def test_a_wrong_hash_is_found_before_a_folder_is_unpickled(tmp_path: Path) -> None:
    extracted = write_extracted(tmp_path / "x", {**FILES, "data_batch_1": b"evil"})
    with pytest.raises(DataError, match="data_batch_1: its MD5 is"):
        READ(extracted)


def test_a_file_of_another_size_is_not_read_to_its_end(tmp_path: Path) -> None:
    path = tiny.write_archive(tmp_path, CONTENT)
    os.truncate(path, 2**40)  # sparse: it takes no room, but an hour to hash
    with pytest.raises(DataError, match=f"{path}: is CIFAR-10 that was packed anew"):
        READ(path)


def test_a_missing_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fewer = {name: content for name, content in FILES.items() if name != "data_batch_4"}
    with pytest.raises(DataError, match="data_batch_4: cannot be read"):
        READ(write_extracted(tmp_path / "x", fewer))
    content = tiny.packed(fewer)
    read = Reader(fewer, content)
    with pytest.raises(DataError, match=r"tar\.gz: no cifar-10-batches-py/data_batch_4 in it"):
        read(tiny.write_archive(tmp_path, content))


def test_an_archive_that_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for content in (b"", b"<html>no such page</html>", CONTENT[: len(CONTENT) // 2]):
        with pytest.raises(DataError, match=r"cifar-10-python.tar.gz: cannot be read as a .tar.gz archive"):
            Reader(FILES, content)(tiny.write_archive(tmp_path, content))


def test_values_stored_by_columns_are_read_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]
    parts = ((DATA[i * 20 : i * 20 + 20], LABELS[i * 20 : i * 20 + 20]) for i in range(6))
    files = {**FILES, **{name: tiny.batch(*part, by_columns=True) for name, part in zip(names, parts, strict=True)}}
    content = tiny.packed(files)
    check(Reader(files, content)(tiny.write_archive(tmp_path, content)))


class Evil:
    def __reduce__(self) -> tuple[object, ...]:
        return (print, ("run by a pickle",))


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (pickle.dumps(Evil()), "a reference to builtins.print"),
        (pickle.dumps({b"data": np.zeros((2, 3072)), b"labels": [0, 1]}, protocol=3), "an array of type 'f8'"),
        (pickle.dumps([1]), "holds a list instead of a dict"),
        (b"", "Ran out of input"),
        (tiny.batch(np.zeros((2, 3072), np.uint8), [0, 10]), "a label is not one of 0 to 9"),
        (tiny.batch(np.zeros((2, 3072), np.uint8), [0]), "and n labels"),
        (tiny.batch(np.zeros((2, 1024), np.uint8), [0, 1]), r"uint8 \[n, 3072\]"),
        (tiny.pickled({}), "and n labels"),
    ],
)
def test_a_batch_of_another_form_is_refused_and_never_run(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    content: bytes,
    complaint: str,
) -> None:
    files = {**FILES, "test_batch": content}
    archive = tiny.packed(files)
    with pytest.raises(DataError, match=f"test_batch.*{complaint}"):
        Reader(files, archive)(tiny.write_archive(tmp_path, archive))
    assert "run by a pickle" not in capsys.readouterr().out


def packed(member: tarfile.TarInfo, content: bytes, *, in_place_of: str | None = None) -> bytes:
    """The tiny archive with one more member, or with it in the place of a batch."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz", compresslevel=1) as tar:
        for name, batch in FILES.items():
            path = f"cifar-10-batches-py/{name}"
            if path != in_place_of:
                regular = tarfile.TarInfo(path)
                regular.size = len(batch)
                tar.addfile(regular, io.BytesIO(batch))
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
    return out.getvalue()


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.devmajor, info.devminor = kind, link, 1, 5
    return info


KINDS = {
    "symbolic link": (tarfile.SYMTYPE, "/etc/passwd"),
    "link that leads outside": (tarfile.LNKTYPE, "../../secret"),
    "character device": (tarfile.CHRTYPE, ""),
    "block device": (tarfile.BLKTYPE, ""),
    "pipe": (tarfile.FIFOTYPE, ""),
    "folder": (tarfile.DIRTYPE, ""),
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_stands_for_a_batch_and_is_no_file_is_missing(kind: str, tmp_path: Path) -> None:
    content = packed(member(INSIDE, *KINDS[kind]), b"", in_place_of=INSIDE)
    archive = tiny.write_archive(tmp_path / "data", content)
    with pytest.raises(DataError, match=f"{archive}: no {INSIDE} in it"):
        Reader(FILES, content)(archive)  # even if such an archive had the right hash


@pytest.mark.parametrize("name", ["../outside", "/{tmp}/outside", "cifar-10-batches-py/../../outside"])
def test_nothing_of_an_archive_is_ever_written(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = packed(member(name.format(tmp=tmp_path)), b"from the archive")
    archive = tiny.write_archive(tmp_path / "data", content)
    monkeypatch.chdir(tmp_path / "data")
    test = Reader(FILES, content)(archive).test
    assert len(test) == 20
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [archive]


@pytest.mark.parametrize("made", ["pipe", "device", "folder"])
def test_an_extracted_batch_that_is_no_file_is_named(made: str, tmp_path: Path) -> None:
    place = write_extracted(tmp_path / "cifar-10-batches-py")
    batch = place / "data_batch_1"
    batch.unlink()
    {"pipe": os.mkfifo, "device": lambda path: path.symlink_to("/dev/null"), "folder": os.mkdir}[made](batch)
    what = "a folder" if made == "folder" else "a pipe, a socket or a device"
    with pytest.raises(DataError) as caught:
        READ(place)
    assert f"{batch}: cannot be read (it is {what}, not a file)" in str(caught.value)
