"""A comparison as one HTML page, looked at as a browser would read it."""

import re
import shutil
import subprocess
from collections.abc import Iterable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from normbench.analysis.compare.comparisons import comparisons
from normbench.present.page.page import page
from tests.records import make_diverged, make_record, write_run
from tests.tiny import invoke

EVIL = "<script>alert(1)</script>\"'&"


class Reader(HTMLParser):
    """Tags, attributes and text of a page; asserts that every element that was opened is closed in its order."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(content)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in ("meta", "path", "use", "image", "rect", "clippath"):
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        if tag in self._open:
            assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self._open:
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def values(self, name: str) -> list[str]:
        return [value or "" for key, value in self.attributes if key == name]


def write_runs(results: Path, records: Iterable[dict[str, Any]]) -> None:
    for record in records:
        write_run(results, record)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    accuracies = {"bn": (0.85, 0.852, 0.848, 0.85), "gn": (0.83, 0.829, 0.831, 0.83)}
    write_runs(
        tmp_path, (make_record(norm, *run) for norm, of_norm in accuracies.items() for run in enumerate(of_norm))
    )
    write_run(tmp_path, make_diverged("ln", 0))
    return tmp_path


def made(results: Path) -> str:
    return page(comparisons([results], needs={"predictions"}), ["results"], images=False)


def test_the_answer_stands_first_and_all_sections_are_linked(results: Path) -> None:
    content = made(results)
    read = Reader(content)
    places = [content.index(part) for part in ('class="answers"', 'id="compared"', "<table", "<figure", 'id="runs"')]
    assert places == sorted(places)
    assert "BN is 2.00 points above GN(4)" in read.text
    links = {link.removeprefix("#") for link in read.values("href") if link.startswith("#")}
    assert {"answer", "compared", "doubts", "tables", "figures", "runs", "again"} <= links <= set(read.values("id"))
    assert len(read.values("id")) == len(set(read.values("id")))


def test_what_weakens_the_answer_is_said(results: Path) -> None:
    read = Reader(made(results))
    for text in ("Nothing was tuned", "1 run of LN diverged", "0 seeds of a norm"):
        assert text in read.text


def test_nothing_is_fetched_and_nothing_runs(results: Path) -> None:
    content = made(results)
    read = Reader(content)
    assert not {"script", "iframe", "link", "object", "base", "form"} & set(read.tags)
    assert not [name for name, _ in read.attributes if name.startswith("on")]
    assert all(
        value.startswith(("#", "data:")) for name in ("href", "src", "xlink:href") for value in read.values(name)
    )
    assert "default-src 'none'" in " ".join(read.values("content"))
    assert not re.findall(r"url\((?!#)", content)


def test_text_of_a_record_is_never_markup(tmp_path: Path) -> None:
    changes = {"config__model__name": EVIL, "label": EVIL, "experiment": "e", "environment__cpu": EVIL}
    write_runs(tmp_path, (make_record("gn", seed, **changes) for seed in range(3)))
    read = Reader(made(tmp_path))
    assert EVIL in read.text
    assert "script" not in read.tags


def test_tables_and_figures_can_be_heard(results: Path) -> None:
    read = Reader(made(results))
    assert read.tags.count("table") == read.tags.count("caption") >= 4
    assert {"col", "row"} == set(read.values("scope"))
    assert read.tags.count("svg") == read.values("role").count("img") >= 1
    assert read.tags.count("h1") == 1


def test_the_command_writes_the_page(results: Path, tmp_path: Path) -> None:
    output = tmp_path / "page.html"
    assert invoke("report", results, "--output", output, "--no-images").exit_code == 0
    assert output.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert output.stat().st_size < 500_000


@pytest.mark.skipif(not shutil.which("chromium"), reason="no chromium: the page was not opened in a browser")
def test_a_browser_finds_nothing_that_overflows_and_nothing_to_complain_of(results: Path, tmp_path: Path) -> None:
    """Chromium loads the page at 400 pixels. Its policy allows no script, so a frame around the page measures it."""
    output = tmp_path / "page.html"
    invoke("report", results, "--output", output, "--no-images")
    frame = tmp_path / "frame.html"
    frame.write_text(
        f'<iframe id="page" src="{output.name}" width="400" height="900"></iframe><script>'
        "document.getElementById('page').onload = event => { const inner = event.target.contentDocument;"
        "document.title = inner.documentElement.scrollWidth + ' of ' + inner.documentElement.clientWidth }</script>"
    )
    done = subprocess.run(
        [
            *("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files"),
            *("--enable-logging=stderr", "--virtual-time-budget=5000", "--dump-dom", frame.as_uri()),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    width, room = re.findall(r"<title>(\d+) of (\d+)</title>", done.stdout)[0]
    assert int(width) <= int(room)
    assert "CONSOLE" not in done.stderr
