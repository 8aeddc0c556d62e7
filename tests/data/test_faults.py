"""Archives that lead outside and files one may not read: exit code 3, the file named, nothing written anywhere."""

import io
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from normbench.data import Dataset, load_dataset
from normbench.errors import DataError
from tests import tiny_cifar10 as tiny
from tests.tiny import invoke, make_folder

FILES, _, _ = tiny.batch_files()
INSIDE = "cifar-10-batches-py/data_batch_1"
NOBODY = 65_534


def load(source: str, place: Path, cache: Path) -> Dataset:
    return load_dataset(SimpleNamespace(source=source, dir=str(place), urls=()), [].append, cache, bar=False)


def refused(source: str, place: Path, cache: Path, *parts: str) -> None:
    with pytest.raises(DataError) as caught:
        load(source, place, cache)
    assert caught.value.exit_code == 3
    for part in parts:
        assert part in str(caught.value)
    assert not list(cache.rglob("*"))


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
def test_what_stands_for_a_batch_and_is_no_file_is_missing(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = packed(member(INSIDE, *KINDS[kind]), b"", in_place_of=INSIDE)
    tiny.pretend(monkeypatch, FILES, content)  # even if such an archive had the right hash
    archive = tiny.write_archive(tmp_path / "data", content)
    refused("cifar10", archive, tmp_path / "cache", str(archive), f"no {INSIDE} in it")


@pytest.mark.parametrize("name", ["../outside", "/{tmp}/outside", "cifar-10-batches-py/../../outside"])
def test_nothing_of_an_archive_is_ever_written(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = packed(member(name.format(tmp=tmp_path)), b"from the archive")
    tiny.pretend(monkeypatch, FILES, content)
    archive = tiny.write_archive(tmp_path / "data", content)
    monkeypatch.chdir(tmp_path / "data")
    assert len(load("cifar10", archive, tmp_path / "cache").test) == 20
    assert not list(tmp_path.rglob("outside"))
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} == {*(archive.name, "cifar10.safetensors")}


@pytest.mark.parametrize("made", ["pipe", "device", "folder"])
def test_an_extracted_batch_that_is_no_file_is_named(
    made: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny.pretend(monkeypatch, FILES, b"")
    place = tmp_path / "cifar-10-batches-py"
    place.mkdir()
    for name, content in FILES.items():
        (place / name).write_bytes(content)
    batch = place / "data_batch_1"
    batch.unlink()
    {"pipe": os.mkfifo, "device": lambda path: path.symlink_to("/dev/null"), "folder": os.mkdir}[made](batch)
    what = "a folder" if made == "folder" else "a pipe, a socket or a device"
    refused("cifar10", place, tmp_path / "cache", f"{batch}: cannot be read (it is {what}, not a file)")


@pytest.fixture
def open_place() -> Iterator[Path]:
    """A folder that others may look into, unlike `tmp_path`, with a cache that others may write."""
    place = Path(tempfile.mkdtemp(prefix="normbench-test-"))
    place.chmod(0o755)
    (place / "cache").mkdir()
    (place / "cache").chmod(0o777)
    yield place
    shutil.rmtree(place)


@contextmanager
def without_privileges() -> Iterator[None]:
    """Root may read everything, so it becomes another user for a while."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.parametrize("closed", [".", "train", "train/dog", "test/cat/000.png"])
def test_what_one_may_not_read_of_an_image_folder_is_named(closed: str, open_place: Path) -> None:
    path = make_folder(open_place / "images", 2, 1) / closed
    path.chmod(0)
    try:
        with without_privileges():
            named = str(path) if closed != "." else str(path / "train")
            refused("folder", open_place / "images", open_place / "cache", named, "cannot be read: Permission denied")
    finally:
        path.chmod(0o755)


@pytest.mark.parametrize("closed", ["cifar-10-python.tar.gz", ".", "cifar-10-batches-py/test_batch"])
def test_what_one_may_not_read_of_cifar10_is_named(
    closed: str, open_place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = tiny.packed(FILES)
    tiny.pretend(monkeypatch, FILES, content)
    place = open_place / "data"
    if closed == "cifar-10-batches-py/test_batch":
        (place / "cifar-10-batches-py").mkdir(parents=True)
        for name, batch in FILES.items():
            (place / "cifar-10-batches-py" / name).write_bytes(batch)
    else:
        tiny.write_archive(place, content)
    (place / closed).chmod(0)
    try:
        with without_privileges():
            refused("cifar10", place, open_place / "cache", str(place / closed), "cannot be read", "Permission denied")
    finally:
        (place / closed).chmod(0o755)


def test_train_ends_with_exit_code_3_and_leaves_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NORMBENCH_CACHE", str(tmp_path / "cache"))
    images = make_folder(tmp_path / "images", 2, 1)
    (images / "test" / "dog" / "000.png").write_bytes(b"")
    result = invoke("train", "--data", "folder", "--data-dir", images, "--results", tmp_path / "results")
    assert isinstance(result.exception, DataError)
    assert str(result.exception) == f"{images / 'test' / 'dog' / '000.png'}: the file is empty (0 bytes)"
    assert not (tmp_path / "results").exists()
    assert not list((tmp_path / "cache").iterdir())
