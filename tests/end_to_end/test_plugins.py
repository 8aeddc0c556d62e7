"""Norms that are code from outside: `--no-plugins` refuses them on every command, and imports none."""

import json
from pathlib import Path

import pytest
import typer

from normbench.cli.main import app
from normbench.errors import ConfigError
from normbench.norms import NORM_REGISTRY, NORM_REGISTRY_NO_PLUGINS, NORMS
from tests.installed_norms import install_norms
from tests.tiny import invoke


@pytest.fixture(autouse=True)
def imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A plugin module that creates this file when it is imported, and an entry point to it named `theirs`."""
    file = tmp_path / "imported"
    (tmp_path / "their_norms.py").write_text(
        f"import pathlib\npathlib.Path({str(file)!r}).touch()\n"
        "from torch import nn\n\n\n"
        "class Norm(nn.BatchNorm2d):\n    def __init__(self, num_channels): super().__init__(num_channels)\n"
    )
    install_norms(tmp_path, monkeypatch, theirs="their_norms:Norm")
    monkeypatch.chdir(tmp_path)
    return file


def commands() -> dict[tuple[str, ...], set[str]]:
    """The options of each command by its words."""
    root = typer.main.get_command(app)
    found = {}
    for name, command in root.commands.items():  # type: ignore[attr-defined]
        for sub_name, sub in getattr(command, "commands", {"": command}).items():
            found[(name, sub_name) if sub_name else (name,)] = {
                option for parameter in sub.params for option in (*parameter.opts, parameter.name)
            }
    return found


def test_every_command_with_a_config_or_a_norm_has_the_flag() -> None:
    with_either = {words for words, options in commands().items() if options & {"--config", "config", "--norm"}}
    with_flag = {words for words, options in commands().items() if "--no-plugins" in options}
    assert with_either | {("norms",)} == with_flag
    assert {("train",), ("sweep",), ("summary",), ("bench",), ("explain", "params")} < with_flag


COMMANDS = {
    "train": ("train", "--norm"),
    "train from a file": ("train", "--config"),
    "summary": ("summary", "--norm"),
    "summary by --set": ("summary", "--set"),
    "sweep": ("sweep", "seeds", "--dry-run", "--set"),
    "sweep of a file": ("sweep",),
    "bench": ("bench", "--norm"),
    "explain params": ("explain", "params", "--model", "--norm"),
}


@pytest.mark.parametrize("kind", ["their_norms:Norm", "theirs"])
@pytest.mark.parametrize("command", COMMANDS)
def test_the_flag_refuses_and_imports_nothing(command: str, kind: str, imported: Path, tmp_path: Path) -> None:
    words = list(COMMANDS[command])
    if command == "sweep":
        words.append(f"sweep.norm=[bn, {{kind: '{kind}'}}]")
    elif command in ("train from a file", "sweep of a file"):
        (tmp_path / "theirs.yaml").write_text(f"norm: '{kind}'\n")
        words.append("theirs.yaml")
    else:
        words.append(f"norm={kind}" if words[-1] == "--set" else kind)
    result = invoke(*words, "--no-plugins")
    assert isinstance(result.exception, ConfigError)
    assert f"norm {kind!r} is code from outside of normbench, and --no-plugins refuses it" in str(result.exception)
    assert "known: bn, gn, ln" in str(result.exception)
    assert not imported.exists()


@pytest.mark.parametrize("name", ["their_norms:Norm", "their_norms.py:Norm"])
@pytest.mark.parametrize("words", [("train",), ("summary",), ("sweep",), ("bench",), ("explain", "params")])
def test_the_flag_refuses_networks_too(words: tuple[str, ...], name: str, imported: Path) -> None:
    result = invoke(*words, "--model", name, "--norm", "bn", "--no-plugins")
    assert isinstance(result.exception, ConfigError)
    assert f"model {name!r} is code from outside of normbench" in str(result.exception)
    assert not imported.exists()


@pytest.mark.parametrize("command", ["params", "tensor", "running", "axes"])
@pytest.mark.parametrize("kind", ["their_norms:Norm", "theirs"])
def test_an_explanation_takes_them_unless_the_flag_refuses(command: str, kind: str, imported: Path) -> None:
    refused = invoke("explain", command, "--norm", kind, "--no-plugins").exception
    assert "--no-plugins refuses it" in str(refused)
    assert not imported.exists()
    assert invoke("explain", command, "--norm", kind).exit_code == 0
    assert imported.exists()


def test_neither_a_typing_error_nor_the_list_imports_them(imported: Path) -> None:
    result = invoke("summary", "--set", "norm.num_groops=3", "--no-plugins")
    assert "unknown bn option 'num_groops'" in str(result.exception)
    listed = invoke("norms", "--format", "json", "--no-plugins")
    assert [row["norm"] for row in json.loads(listed.stdout)] == list(NORMS)
    assert list(NORM_REGISTRY_NO_PLUGINS) == list(NORMS)
    assert len(NORM_REGISTRY_NO_PLUGINS) == len(NORMS)
    assert "theirs" not in str(invoke("summary", "--norm", "thei", "--no-plugins").exception).partition("known")[2]
    assert not imported.exists()


@pytest.mark.parametrize("kind", ["their_norms:Norm", "theirs"])
def test_without_the_flag_naming_one_runs_it(kind: str, imported: Path) -> None:
    assert kind in NORM_REGISTRY
    assert not imported.exists()  # it is only known by its name
    result = invoke("summary", "--norm", kind, "--format", "json")
    assert json.loads(result.stdout)["norm_layers"] == {"Norm": 8}
    assert imported.exists()


def test_our_norms_are_the_same_with_the_flag() -> None:
    assert invoke("summary", "--norm", "gn", "--no-plugins").stdout == invoke("summary", "--norm", "gn").stdout
