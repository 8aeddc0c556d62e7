"""Runs what a page of the documentation shows, smaller.

`sh` blocks are commands. Blocks that begin with `# name` are files, and configs have to load; other `python` blocks are
scripts. `diff` blocks change files.

Commands that would take minutes run smaller. `smaller` and `bench` are the whole mapping for normbench's own commands:
tiny images instead of the named data, one epoch, one seed, one trial, one measured step. `STAND_INS` is the whole list
of other programs, each with what is checked instead of running it. Anything else is an error.

    python -m tests.pages PAGE IMAGES     # runs the commands of a page whose files are made
"""

import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import typer
from typer.testing import Result

from normbench.cli.main import app
from normbench.config import load_experiment
from normbench.runs.registries import REGISTRIES
from tests.tiny import invoke

BLOCK = re.compile(r"^```(\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHOWN = {"json", "text", "{toctree}", "{literalinclude}", "{eval-rst}"}
"""Kinds of blocks that are only shown."""


def run_page(page: Path, images: Path) -> None:
    """Runs the blocks of a page in the working folder, from the top to the end. `images`: a tiny folder of images.

    Raises AssertionError for a block or command that fails, or that nothing says how to check.
    """
    for kind, text in blocks(page):
        if not (make_file(kind, text) or run_block(kind, text, images)):
            assert kind in SHOWN, f"{page.name}: nothing says how a block of {kind!r} is checked"


def blocks(page: Path) -> list[tuple[str, str]]:
    """(kind, text) of each block, in order."""
    return BLOCK.findall(page.read_text(encoding="utf-8"))


def run_block(kind: str, text: str, images: Path) -> bool:
    """Runs commands or a script; false for a block that is neither."""
    if kind == "sh":
        for words in commands(text):
            run(words, images)
    elif kind == "python":
        call([sys.executable, "-c", text])
    else:
        return False
    return True


def make_file(kind: str, text: str) -> bool:
    """Writes the file that a block names in its first line, or changes one; false for a block without a name."""
    named = re.match(r"(# |--- )(\S+)\n", text)
    assert named or kind not in ("yaml", "diff"), f"a block of {kind} begins with a name: {text.splitlines()[0]!r}"
    if not named:
        return False
    path, content = Path(named[2]), text[named.end() :]
    if kind == "diff":
        change_file(path, content)
    else:
        path.write_text(content, encoding="utf-8")
    if kind == "yaml":
        load_experiment(path, REGISTRIES)
    return True


def change_file(path: Path, diff: str) -> None:
    """Applies a diff without line numbers: hunks that `@@` separates, whose old lines are in the file once."""
    content = path.read_text(encoding="utf-8")
    for hunk in diff.split("@@\n"):
        old, new = (
            "".join(f"{line[1:]}\n" for line in hunk.splitlines() if line[:1] not in left_out)
            for left_out in ("+", "-")
        )
        assert content.count(old) == 1, f"{path} has these lines {content.count(old)} times:\n{old}"
        content = content.replace(old, new)
    path.write_text(content, encoding="utf-8")


def commands(text: str) -> Iterator[list[str]]:
    """The words of each command, comments left out."""
    for line in text.replace("\\\n", " ").splitlines():
        for part in line.split("&&"):
            if words := shlex.split(part, comments=True):
                yield words


def run(words: list[str], images: Path) -> None:
    words, output = (words[:-2], Path(words[-1])) if words[-2:-1] == [">"] else (words, None)
    program, *arguments = (found for word in words for found in expanded(word))
    if program == "normbench":
        result = bench(arguments, images) if arguments[0] == "bench" else invoke(*smaller(arguments, images))
        assert result.exit_code == 0, f"{shlex.join(words)}\n{result.output}\n{result.exception!r}"
        if output:
            output.write_text(result.stdout, encoding="utf-8")
    else:
        assert program in STAND_INS, f"nothing says how to check {shlex.join(words)!r}"
        STAND_INS[program](arguments)


def bench(arguments: list[str], images: Path) -> Result:
    """The options are parsed. One short measurement stands for all: it starts several processes and takes seconds."""
    typer.main.get_command(app).commands["bench"].make_context("bench", arguments[1:])  # type: ignore[attr-defined]
    return measured(images)


@cache
def measured(images: Path) -> Result:
    few = ("--norm", "bn", "--rounds", "1", "--steps", "1", "--threads", "1", "--device", "cpu")
    return invoke("bench", *few, "--data", "folder", "--data-dir", images)


def expanded(word: str) -> list[str]:
    """What a shell makes of a word with `*`."""
    return (sorted(map(str, Path().glob(word))) if "*" in word else []) or [word]


def smaller(arguments: list[str], images: Path) -> list[str]:
    """The arguments of a normbench command that trains or measures, with tiny data and few steps; others unchanged."""
    tiny = ("--data", "folder", "--data-dir", str(images), "--device", "cpu", "--threads", "1")
    fp32 = () if "train.precision" in " ".join(arguments) else ("--set", "train.precision=fp32")
    match arguments[0]:
        case "train":
            return [*without(arguments, "--data", "--data-dir", "--epochs"), *tiny, *fp32, "--epochs", "1"]
        case "sweep":
            kept = without(arguments, "--data", "--data-dir", "--epochs", "--jobs", "--seeds", "--max-seeds")
            seeds = ("--max-seeds", "2") if "--until-decided" in arguments else ("--set", "seeds=[0]")
            config = Path(arguments[1])
            trials = ("--set", "tune.budget=1") if config.exists() and "\ntune:" in config.read_text() else ()
            return [*kept, *tiny, *fp32, "--epochs", "1", "--jobs", "2", *seeds, *trials]
        case "explain" if "running" in arguments:
            return [*arguments, "--batches", "100"]
    return arguments


def without(arguments: list[str], *options: str) -> list[str]:
    """The arguments without these options and their values."""
    pairs = zip(["", *arguments], arguments, strict=False)
    return [word for before, word in pairs if word not in options and before not in options]


def change_folder(arguments: list[str]) -> None:
    os.chdir(arguments[0])


def make_folder(arguments: list[str]) -> None:
    Path(arguments[0]).mkdir()


def set_path(arguments: list[str]) -> None:
    """`export PYTHONPATH=FOLDER`: also for this process, in which the commands run."""
    name, value = arguments[0].split("=")
    assert name == "PYTHONPATH"
    sys.path.insert(0, str(Path(value).resolve()))


def venv_is_named(arguments: list[str]) -> None:
    """`source`: the only file that is sourced is a virtual environment's."""
    assert arguments == [".venv/bin/activate"]


def install(arguments: list[str]) -> None:
    """`pip install -e FOLDER[extra,...]`: the project has these extras; a plugin is found as if it were installed."""
    word, editable, target = arguments
    assert (word, editable) == ("install", "-e")
    folder, _, extras = target.partition("[")
    project = tomllib.loads((Path(folder) / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert set(filter(None, extras.strip("]").split(","))) <= set(project.get("optional-dependencies", {}))
    if "entry-points" in project:
        about = Path("installed", f"{project['name']}-{project['version']}.dist-info")
        about.mkdir(parents=True)
        points = [f"[{group}]\n{to_lines(names)}" for group, names in project["entry-points"].items()]
        (about / "entry_points.txt").write_text("\n".join(points), encoding="utf-8")
        (about / "METADATA").write_text(f"Name: {project['name']}\nVersion: {project['version']}\n", encoding="utf-8")
        sys.path[:0] = [str(Path(folder).resolve()), str(about.parent.resolve())]


def to_lines(names: Mapping[str, str]) -> str:
    return "".join(f"{name} = {value}\n" for name, value in names.items())


def paths_exist(arguments: list[str]) -> None:
    """Tests, linters, type checker and docs, which `.ci/run` runs: the folders that they are given exist."""
    named = [word for word in arguments if not word.startswith("-") and word not in ("check", "format", "build/docs")]
    missing = [name for name in named if not Path(name).exists()]
    assert not missing


def python(arguments: list[str]) -> None:
    """Scripts run. Of the harnesses that take minutes, the module exists."""
    if arguments[0] == "-m":
        assert find_spec(arguments[1])
        return
    call([sys.executable, *arguments])


def call(command: list[str]) -> None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{shlex.join(command)}\n{done.stdout}\n{done.stderr}"


STAND_INS: dict[str, Callable[[list[str]], None]] = {
    "cd": change_folder,
    "mkdir": make_folder,
    "export": set_path,
    "source": venv_is_named,
    "pip": install,
    "python": python,
    "python3": python,
    "pytest": paths_exist,
    "ruff": paths_exist,
    "mypy": paths_exist,
    "sphinx-build": paths_exist,
}


if __name__ == "__main__":
    for kind, text in blocks(Path(sys.argv[1])):
        if kind == "sh":
            run_block(kind, text, Path(sys.argv[2]))
