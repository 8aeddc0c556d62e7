"""Downloads that break, resume or lie: the right file or none."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from normbench.data.download import DownloadFailed, fetch
from normbench.errors import DataError
from tests.file_server import Server, serving

CONTENT = bytes(range(256)) * 100
MD5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(CONTENT) as state:
        yield state


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "downloads" / "archive"


@pytest.fixture
def part(target: Path) -> Path:
    """Where received bytes are kept; its folder exists."""
    target.parent.mkdir()
    return target.with_name("archive.part")


def download(target: Path, *urls: str) -> None:
    """Fetch CONTENT and check that it is in its place."""
    fetch(urls, target, MD5, len(CONTENT), bar=False)
    assert target.read_bytes() == CONTENT
    assert [path.name for path in target.parent.iterdir()] == [target.name]


def test_downloads_with_progress_in_plain_lines(server: Server, target: Path, said: list[str]) -> None:
    download(target, server.url())
    assert said[0] == f"downloading {server.url()}"
    assert said[-1].startswith("archive: 100% of")


def test_goes_on_where_it_was_stopped(server: Server, target: Path, part: Path) -> None:
    part.write_bytes(CONTENT[:1000])
    download(target, server.url())
    assert server.ranges_asked == ["bytes=1000-"]


def test_goes_on_after_the_connection_broke(server: Server, target: Path) -> None:
    server.break_after = len(CONTENT) // 3 + 1
    download(target, server.url())
    assert server.ranges_asked == [None, f"bytes={server.break_after}-", f"bytes={2 * server.break_after}-"]


def test_begins_anew_where_the_server_cannot_resume(server: Server, target: Path, part: Path, said: list[str]) -> None:
    server.ranges = False
    part.write_bytes(b"x" * 1000)
    download(target, server.url())
    assert "the server cannot resume: beginning anew" in said


@pytest.mark.parametrize("left", [b"x" * 1000, CONTENT + b"x"], ids=["other bytes", "too long"])
def test_a_partial_file_of_something_else_is_begun_anew(server: Server, target: Path, part: Path, left: bytes) -> None:
    part.write_bytes(left)
    download(target, server.url())
    assert server.ranges_asked == [f"bytes={len(left)}-", None]


def test_a_complete_partial_file_is_only_renamed(server: Server, target: Path, part: Path) -> None:
    part.write_bytes(CONTENT)
    download(target, server.url())
    assert server.ranges_asked == []


def test_other_urls_are_tried_in_turn(server: Server, target: Path) -> None:
    download(target, server.url("missing"), server.url("page"), server.url())


def test_every_url_is_named_with_its_failure(server: Server, target: Path) -> None:
    urls = (server.url("missing"), server.url("page"), "ftp://127.0.0.1/x", "http://127.0.0.1:9/none")
    with pytest.raises(DownloadFailed) as caught:
        fetch(urls, target, MD5, len(CONTENT), bar=False)
    reasons = str(caught.value).split("; ")
    for url, reason, found in zip(urls, ("HTTP 404", "25 bytes", "only http", "refused"), reasons, strict=True):
        assert found.startswith(f"{url}: ")
        assert reason in found
    assert not list(target.parent.iterdir())


@pytest.mark.parametrize("kind", ["symbolic", "hard"])
def test_a_link_in_place_of_the_partial_file_is_not_written_through(
    kind: str, server: Server, target: Path, part: Path, tmp_path: Path
) -> None:
    """In a cache that others can write, it may lead to any file of the user."""
    precious = tmp_path / "precious"
    precious.write_text("precious")
    part.symlink_to(precious) if kind == "symbolic" else part.hardlink_to(precious)
    with pytest.raises(DataError, match=f"{part}: cannot be written"):
        fetch([server.url()], target, MD5, len(CONTENT), bar=False)
    assert precious.read_text() == "precious"
    assert server.ranges_asked == []
