"""The CIFAR sources: every place where the data may be, downloads, and one message with the ways out."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from torchvision.datasets import CIFAR10, CIFAR100

from normbench.config import DataConfig
from normbench.data.dataset import Dataset
from normbench.data.load import load_dataset
from normbench.data.sources import cifar_archives
from normbench.data.sources.cifar_files import Archive
from normbench.errors import DataError
from tests import tiny_cifar10 as tiny
from tests.file_server import ENDLESS, Server, serving
from tests.robustness.entry import run_main
from tests.unprivileged import without_privileges

FILES, DATA, LABELS = tiny.batch_files()
CONTENT = tiny.packed(FILES)
LIMIT_S = 30.0


@dataclass
class Loader:
    """load_dataset with its own cache, and all it said."""

    cache: Path
    said: list[str]

    def __call__(self, dir: Path | None = None, urls: tuple[str, ...] = (), *, bar: bool = False) -> Dataset:
        config = DataConfig(source="cifar10", dir=None if dir is None else str(dir), urls=urls)
        return load_dataset(config, cache_dir=self.cache, bar=bar)

    @property
    def target(self) -> Path:
        return self.cache / "downloads" / "cifar-10-python.tar.gz"

    @property
    def part(self) -> Path:
        return self.target.with_name(self.target.name + ".part")


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: list[str]) -> Loader:
    tiny.pretend(monkeypatch, FILES, CONTENT)
    return Loader(tmp_path / "cache", said)


def check(dataset: Dataset) -> None:
    assert dataset.class_names == tiny.NAMES
    assert dataset.train.images.shape == (100, 3, 32, 32)
    assert dataset.train.images.is_contiguous()
    images = np.concatenate([dataset.train.images.numpy(), dataset.test.images.numpy()])
    assert np.array_equal(images.reshape(-1, 3072), DATA)
    assert dataset.train.labels.tolist() + dataset.test.labels.tolist() == LABELS


def write_extracted(folder: Path, files: dict[str, bytes] = FILES) -> Path:
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(CONTENT) as state:
        yield state


@pytest.fixture
def online(load: Loader, server: Server, monkeypatch: pytest.MonkeyPatch) -> Loader:
    tiny.pretend(monkeypatch, FILES, CONTENT, server.url())
    return load


@pytest.mark.parametrize(
    ("archives", "known"), [(cifar_archives.CIFAR10, CIFAR10), (cifar_archives.CIFAR100, CIFAR100)]
)
def test_the_md5s_are_those_torchvision_knows(archives: tuple[Archive, Archive], known: type[CIFAR10]) -> None:
    archive = archives[0]
    assert (archive.url, archive.filename, archive.md5) == (known.url, known.filename, known.tgz_md5)
    assert archive.folder == known.base_folder
    assert archive.train_files == dict(known.train_list)
    assert archive.test_files == dict(known.test_list)
    assert archive.names_file == (known.meta["filename"], known.meta["md5"])


@pytest.mark.parametrize(
    "place", ["archive", "folder with archive", "extracted", "folder with extracted", "environment"]
)
def test_finds_what_lies_there_already(
    load: Loader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    if place in ("archive", "folder with archive", "environment"):
        path = tiny.write_archive(tmp_path / "data", CONTENT)
    else:
        path = write_extracted(tmp_path / "data" / "cifar-10-batches-py")
    named = path if place in ("archive", "extracted") else path.parent
    if place == "environment":
        monkeypatch.setenv("NORMBENCH_DATA", str(named))
        check(load())
    else:
        check(load(named))
    assert not list(tmp_path.glob("cache/downloads/*"))
    path.rename(tmp_path / "gone")
    check(load(named))  # decoded once: the cache needs no archive


def test_a_place_without_data_is_named(load: Loader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match=r"nowhere \(from data.dir\).*cifar-10-python.tar.gz.*nothing is there"):
        load(tmp_path / "nowhere")
    monkeypatch.setenv("NORMBENCH_DATA", str(tmp_path))
    with pytest.raises(DataError, match="leave NORMBENCH_DATA out"):
        load()


def test_downloads_with_progress_in_plain_lines(online: Loader, server: Server) -> None:
    check(online())
    assert f"downloading {server.url()}" in online.said
    assert any("cifar-10-python.tar.gz: 100% of" in line for line in online.said)
    assert online.target.read_bytes() == CONTENT
    assert not online.part.exists()


def test_a_bar_is_drawn_on_stderr_only(online: Loader, capsys: pytest.CaptureFixture[str]) -> None:
    check(online(bar=True))
    assert not any("%" in line for line in online.said)
    assert capsys.readouterr().out == ""


def test_a_damaged_download_kept_from_before_is_fetched_again(online: Loader) -> None:
    tiny.write_archive(online.target.parent, CONTENT[:500])
    check(online())
    assert any("downloading it again" in line for line in online.said)


def test_other_urls_are_tried_in_turn(load: Loader, server: Server) -> None:
    check(load(urls=(server.url("missing"), server.url("page"), server.url())))


@pytest.mark.parametrize("closed", ["cifar-10-python.tar.gz", ".", "cifar-10-batches-py/test_batch"])
def test_what_one_may_not_read_is_named(load: Loader, open_place: Path, closed: str) -> None:
    place = open_place / "data"
    if closed == "cifar-10-batches-py/test_batch":
        write_extracted(place / "cifar-10-batches-py")
    else:
        tiny.write_archive(place, CONTENT)
    load.cache = open_place / "cache"
    (place / closed).chmod(0)
    try:
        with without_privileges(), pytest.raises(DataError) as caught:
            load(place)
    finally:
        (place / closed).chmod(0o755)
    for part in (str(place / closed), "cannot be read", "Permission denied"):
        assert part in str(caught.value)
    assert not list(load.cache.rglob("*"))


@contextmanager
def limited_files(most: int) -> Iterator[None]:
    """Writing more than `most` bytes into a file is an error."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("kept", [0, 1000])
@pytest.mark.parametrize("path", ["endless", "huge"])
def test_a_server_cannot_fill_the_disk(
    path: str, kept: int, load: Loader, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a stated size and without, with a part to resume and without. A part that may be right stays."""
    monkeypatch.setenv("NORMBENCH_CACHE", str(load.cache))
    if kept:
        load.part.parent.mkdir(parents=True)
        load.part.write_bytes(CONTENT[:kept])
        server.kept = kept
    urls = f"data.urls=[{server.url(path)}]"
    command = ("train", "--data", "cifar10", "--results", tmp_path / "results", "--set", urls)
    with limited_files(len(CONTENT)):
        refused = run_main(command, LIMIT_S)
    assert refused.code == 3, refused.traceback()
    (said,) = [line for line in refused.stderr.splitlines() if line.startswith("normbench: ")]
    expected = f"{len(CONTENT):,} bytes expected" if path == "endless" else f"bytes, expected {len(CONTENT):,}"
    assert f"{server.url(path)}: " in said
    assert expected in said
    assert server.sent < ENDLESS
    left = {file.name: file.read_bytes() for file in load.cache.rglob("*") if file.is_file()}
    is_kept = kept > 0 and path == "huge"
    assert left == ({load.part.name: CONTENT[:kept]} if is_kept else {})
    assert not (tmp_path / "results").exists()


def test_without_network_one_message_has_the_ways_out(load: Loader, server: Server) -> None:
    with pytest.raises(DataError) as caught:
        load(urls=(server.url("missing"), server.url("page"), "ftp://127.0.0.1/x"))
    message = str(caught.value)
    for part in ("refused", "HTTP 404", "25 bytes", "only http", str(load.target.parent), "--data-dir", "data.urls"):
        assert part in message
    assert "--data synthetic" in message
    assert not load.target.exists()
    assert not load.part.exists()
