"""Code from outside: how it is named, what is imported, and what its source is."""

import sys
from pathlib import Path

import pytest

from normbench.errors import ConfigError
from normbench.plugins.load import load
from normbench.plugins.names import canonical, portable


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_a_path_has_one_spelling(here: Path) -> None:
    spellings = ["sub/net.py:Net", "./sub/net.py:Net", f"{here}/sub/net.py:Net", "sub/../sub/net.py:Net"]
    assert {canonical(name) for name in spellings} == {"sub/net.py:Net"}
    assert canonical("../net.py:Net") == f"{here.parent}/net.py:Net"
    assert canonical("a.b:Net") == portable("a.b:Net") == "a.b:Net"
    assert portable("sub/net.py:Net") == portable(f"{here}/net.py:Net") == "net.py:Net"


def test_a_path_in_a_config_begins_beside_it_or_here(here: Path) -> None:
    write(here / "configs" / "near.py", "")
    assert canonical("near.py:Net", here / "configs") == "configs/near.py:Net"
    assert canonical("far.py:Net", here / "configs") == "far.py:Net"


def test_files_of_one_name_are_two_modules_each_with_its_neighbours(here: Path) -> None:
    for folder in ("a", "b"):
        write(here / folder / "net.py", "from blocks import WHO\n")
        write(here / folder / "blocks.py", f"WHO = {folder!r}\n")
    before = list(sys.path)
    assert [load("model", f"{folder}/net.py:WHO").found for folder in ("a", "b", "a")] == ["a", "b", "a"]
    assert sys.path == before and "blocks" not in sys.modules


def test_neighbours_do_not_stand_in_for_what_is_installed(here: Path) -> None:
    write(here / "json.py", "raise RuntimeError\n")
    write(here / "torchvision.py", "raise RuntimeError\n")
    write(here / "net.py", "import json, torchvision\nfrom json import dumps\n")
    assert load("model", "net.py:dumps").found.__module__ == "json"


def test_a_changed_file_is_read_again(here: Path) -> None:
    file = write(here / "net.py", "WIDTH = 1\n")
    first = load("model", "net.py:WIDTH")
    assert (first.found, len(first.sha256)) == (1, 64)
    file.write_text("WIDTH = 2\n")
    second = load("model", "net.py:WIDTH")
    assert second.found == 2 and first.sha256 != second.sha256


def test_the_source_is_that_of_the_users_modules_wherever_they_are(here: Path) -> None:
    def sha256(folder: str) -> str:
        return load("model", f"{folder}/net.py:Net").sha256

    for folder in ("a", "b"):
        write(here / folder / "net.py", "import torch\nimport parts.blocks\nclass Net: ...\n")
        write(here / folder / "parts" / "__init__.py", "")
        write(here / folder / "parts" / "blocks.py", "from . import layers\n")
        write(here / folder / "parts" / "layers.py", "A = 1\n")
        write(here / folder / "unrelated.py", folder)
    before = sha256("a")
    assert before == sha256("b")
    write(here / "b" / "parts" / "layers.py", "A = 2\n")
    assert before != sha256("b")


def test_a_package_is_named_by_its_import_path(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(here / "their_nets" / "__init__.py", "from their_nets.small import Small\n")
    file = write(here / "their_nets" / "small.py", "class Small: ...\n")
    monkeypatch.syspath_prepend(here)
    loaded = load("model", "their_nets:Small")
    assert loaded.folder == here
    before = loaded.sha256
    file.write_text("class Small: pass\n")
    assert load("model", "their_nets:Small").sha256 != before


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import nowhere_at_all", "No module named 'nowhere_at_all' (net.py, line 1)"),
        ("x = 1\n1 / 0", "ZeroDivisionError: division by zero (net.py, line 2)"),
        ("x = (", "SyntaxError: '(' was never closed (net.py, line 1)"),
        ("import sys\nsys.exit('done')", "SystemExit: done (net.py, line 2)"),
        ("from .blocks import X", "ImportError: attempted relative import"),
        ("open('data.txt')", "FileNotFoundError"),
        ("\0", "net.py"),
    ],
)
def test_a_file_that_cannot_be_imported_is_one_sentence(text: str, said: str, here: Path) -> None:
    write(here / "net.py", text)
    with pytest.raises(ConfigError) as caught:
        load("model", "net.py:Net")
    assert said in str(caught.value) and str(caught.value).startswith("model 'net.py:Net'")
    assert "\n" not in str(caught.value)
