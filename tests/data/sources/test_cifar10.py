"""The cifar10 source: hash before unpickling, every place the data may lie, downloads that break, resume or lie."""

import os
import pickle
import resource
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace

import numpy as np
import pytest
from torchvision.datasets import CIFAR10

import normbench.data.sources.cifar10 as source
from normbench.data import Dataset, load_dataset
from normbench.errors import DataError
from tests import tiny_cifar10 as tiny
from tests.robustness.entry import run_main

FILES, DATA, LABELS = tiny.batch_files()
CONTENT = tiny.packed(FILES)
ENDLESS = 2**30  # bytes: a server that sends them all was not stopped
LIMIT_S = 30.0


@dataclass
class Loader:
    """load_dataset with its own cache, and all it said."""

    cache: Path
    said: list[str] = field(default_factory=list)

    def __call__(self, dir: Path | None = None, urls: tuple[str, ...] = ()) -> Dataset:
        config = SimpleNamespace(source="cifar10", dir=None if dir is None else str(dir), urls=urls)
        return load_dataset(config, self.said.append, self.cache, bar=False)

    @property
    def target(self) -> Path:
        return self.cache / "downloads" / "cifar-10-python.tar.gz"

    @property
    def part(self) -> Path:
        return self.target.with_name(self.target.name + ".part")


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Loader:
    monkeypatch.delenv("NORMBENCH_DATA", raising=False)
    tiny.pretend(monkeypatch, FILES, CONTENT)
    return Loader(tmp_path / "cache")


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


def test_the_md5_is_the_one_torchvision_knows() -> None:
    archive = source.official()
    assert archive.md5 == CIFAR10.tgz_md5 == source.MD5
    assert next(iter(archive.file_md5s)) == "data_batch_1"
    assert len(archive.file_md5s) == 7


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


@pytest.mark.parametrize("damage", ["truncated", "changed"])
def test_a_wrong_hash_is_found_before_anything_is_unpickled(
    load: Loader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    def never(*args: object, **kwargs: object) -> None:
        raise AssertionError("unpickled before the hash was known")

    monkeypatch.setattr("normbench.data.sources.cifar10_files._unpickle", never)
    content = CONTENT[:-100] if damage == "truncated" else CONTENT[:-1] + b"\x01"
    path = tiny.write_archive(tmp_path, content)
    what = f"size is {len(content):,} bytes" if damage == "truncated" else "MD5 is"
    with pytest.raises(DataError, match=f"{path}: its {what}.*expected"):
        load(path)
    extracted = write_extracted(tmp_path / "x", {**FILES, "data_batch_1": b"evil"})
    with pytest.raises(DataError, match="data_batch_1: its MD5 is"):
        load(extracted)


def test_a_file_of_another_size_is_not_read_to_its_end(load: Loader, tmp_path: Path) -> None:
    path = tiny.write_archive(tmp_path, CONTENT)
    os.truncate(path, 2**40)  # sparse: it takes no room, but an hour to hash
    with pytest.raises(DataError, match=f"{path}: its size is 1,099,511,627,776 bytes"):
        load(path)


def test_a_missing_file_is_named(load: Loader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fewer = {name: content for name, content in FILES.items() if name != "data_batch_4"}
    with pytest.raises(DataError, match="data_batch_4: cannot be read"):
        load(write_extracted(tmp_path / "x", fewer))
    content = tiny.packed(fewer)
    tiny.pretend(monkeypatch, fewer, content)
    with pytest.raises(DataError, match=r"tar\.gz: no cifar-10-batches-py/data_batch_4 in it"):
        load(tiny.write_archive(tmp_path, content))


def test_an_archive_that_is_none(load: Loader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for content in (b"", b"<html>no such page</html>", CONTENT[: len(CONTENT) // 2]):
        tiny.pretend(monkeypatch, FILES, content)
        with pytest.raises(DataError, match=r"cifar-10-python.tar.gz: cannot be read as a .tar.gz archive"):
            load(tiny.write_archive(tmp_path, content))


def test_values_stored_by_columns_are_read_alike(load: Loader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]
    parts = ((DATA[i * 20 : i * 20 + 20], LABELS[i * 20 : i * 20 + 20]) for i in range(6))
    files = {**FILES, **{name: tiny.batch(*part, by_columns=True) for name, part in zip(names, parts, strict=True)}}
    content = tiny.packed(files)
    tiny.pretend(monkeypatch, files, content)
    check(load(tiny.write_archive(tmp_path, content)))


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
    load: Loader,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    content: bytes,
    complaint: str,
) -> None:
    files = {**FILES, "test_batch": content}
    archive = tiny.packed(files)
    tiny.pretend(monkeypatch, files, archive)
    with pytest.raises(DataError, match=f"test_batch.*{complaint}"):
        load(tiny.write_archive(tmp_path, archive))
    assert "run by a pickle" not in capsys.readouterr().out


@dataclass
class Server:
    """Serves CONTENT at /good, as told by its settings; each request's Range header is noted."""

    port: int = 0
    ranges: bool = True
    break_after: int | None = None  # bytes a request gets before the connection ends
    ranges_asked: list[str | None] = field(default_factory=list)
    kept: int = 0  # bytes that whoever asks for an answer without end has already
    sent: int = 0  # of such an answer

    def url(self, path: str = "good") -> str:
        return f"http://127.0.0.1:{self.port}/{path}"


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers["Range"]
            state.ranges_asked.append(asked)
            if self.path == "/missing":
                self.send_error(404)
                return
            if self.path in ("/endless", "/huge"):
                self.send_without_end(tells_size=self.path == "/huge")
                return
            body, start = {"/good": CONTENT, "/page": b"<html>log in first</html>"}[self.path], 0
            if asked and state.ranges:
                start = int(asked.removeprefix("bytes=").removesuffix("-"))
                if start >= len(body):
                    self.send_error(416)
                    return
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
            else:
                self.send_response(200)
            self.send_header("Content-Length", str(len(body) - start))
            self.end_headers()
            stop = len(body) if state.break_after is None else start + state.break_after
            self.wfile.write(body[start:stop])

        def send_without_end(self, *, tells_size: bool) -> None:
            self.send_response(206 if self.headers["Range"] else 200)
            if self.headers["Range"]:
                self.send_header("Content-Range", f"bytes {state.kept}-{ENDLESS}/{ENDLESS + 1 if tells_size else '*'}")
            elif tells_size:
                self.send_header("Content-Length", str(ENDLESS))
            self.end_headers()
            with suppress(ConnectionError):
                while state.sent < ENDLESS:
                    state.sent += self.wfile.write(b"x" * len(CONTENT))

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        state.port = http.server_port
        thread = Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield state
        http.shutdown()
        thread.join()


@pytest.fixture
def online(load: Loader, server: Server, monkeypatch: pytest.MonkeyPatch) -> Loader:
    tiny.pretend(monkeypatch, FILES, CONTENT, server.url())
    return load


def test_downloads_with_progress_in_plain_lines(online: Loader, server: Server) -> None:
    check(online())
    assert f"downloading {server.url()}" in online.said
    assert any("cifar-10-python.tar.gz: 100% of" in line for line in online.said)
    assert online.target.read_bytes() == CONTENT
    assert not online.part.exists()


def test_a_bar_is_drawn_on_stderr_only(online: Loader, capsys: pytest.CaptureFixture[str]) -> None:
    config = SimpleNamespace(source="cifar10", dir=None, urls=())
    check(load_dataset(config, online.said.append, online.cache, bar=True))
    assert not any("%" in line for line in online.said)
    assert capsys.readouterr().out == ""


def test_goes_on_where_it_was_stopped(online: Loader, server: Server) -> None:
    online.part.parent.mkdir(parents=True)
    online.part.write_bytes(CONTENT[:1000])
    check(online())
    assert server.ranges_asked == ["bytes=1000-"]


def test_goes_on_after_the_connection_broke(online: Loader, server: Server) -> None:
    server.break_after = len(CONTENT) // 3 + 1
    check(online())
    assert server.ranges_asked == [None, f"bytes={server.break_after}-", f"bytes={2 * server.break_after}-"]


def test_begins_anew_where_the_server_cannot_resume(online: Loader, server: Server) -> None:
    server.ranges = False
    online.part.parent.mkdir(parents=True)
    online.part.write_bytes(b"x" * 1000)
    check(online())
    assert "the server cannot resume: beginning anew" in online.said


@pytest.mark.parametrize("left", [b"x" * 1000, CONTENT + b"x"], ids=["other bytes", "too long"])
def test_a_partial_file_of_something_else_is_begun_anew(online: Loader, server: Server, left: bytes) -> None:
    online.part.parent.mkdir(parents=True)
    online.part.write_bytes(left)
    check(online())
    assert server.ranges_asked == [f"bytes={len(left)}-", None]


def test_a_complete_partial_file_is_only_renamed(online: Loader, server: Server) -> None:
    online.part.parent.mkdir(parents=True)
    online.part.write_bytes(CONTENT)
    check(online())
    assert server.ranges_asked == []


def test_a_damaged_download_kept_from_before_is_fetched_again(online: Loader) -> None:
    tiny.write_archive(online.target.parent, CONTENT[:500])
    check(online())
    assert any("downloading it again" in line for line in online.said)


def test_other_urls_are_tried_in_turn(load: Loader, server: Server) -> None:
    check(load(urls=(server.url("missing"), server.url("page"), server.url())))


@pytest.mark.parametrize("kept", [0, 1000])
@pytest.mark.parametrize("path", ["endless", "huge"])
def test_a_server_cannot_fill_the_disk(
    path: str, kept: int, load: Loader, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it tells the size or not, and whether there is a part to go on from, which stays if it may be right."""
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


@contextmanager
def limited_files(most: int) -> Iterator[None]:
    """Writing more than `most` bytes into a file is an error."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_without_network_one_message_has_the_ways_out(load: Loader, server: Server) -> None:
    with pytest.raises(DataError) as caught:
        load(urls=(server.url("missing"), server.url("page"), "ftp://127.0.0.1/x"))
    message = str(caught.value)
    for part in ("refused", "HTTP 404", "25 bytes", "only http", str(load.target.parent), "--data-dir", "data.urls"):
        assert part in message
    assert "--data synthetic" in message
    assert not load.target.exists()
    assert not load.part.exists()
