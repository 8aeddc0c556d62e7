"""A network in a file, from the first run to the comparison."""

import json
from pathlib import Path

import pytest

from normbench.runs.folder import RunFolder
from tests.kernel_cache import with_kernels
from tests.outside_networks import write_networks
from tests.tiny import invoke, make_folder, train_small


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NORMBENCH_CACHE", str(with_kernels(tmp_path / "cache")))
    monkeypatch.chdir(tmp_path)
    write_networks(tmp_path)
    make_folder(tmp_path / "images")
    return tmp_path


def runs_in(here: Path) -> list[RunFolder]:
    return [RunFolder(path.parent) for path in sorted((here / "results").rglob("run.json"))]


def test_a_run_is_that_of_its_source_wherever_the_file_is(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def train(*words: object) -> str:
        return train_small(here / "images", here / "results", "--norm", "gn", *words).output

    train("--model", "mine.py:Net")
    (run,) = runs_in(here)
    assert json.loads(run.record.read_text())["config"]["model"]["name"] == "mine.py:Net"
    (here / "elsewhere").mkdir()
    monkeypatch.chdir(here / "elsewhere")
    for name in ("../mine.py:Net", here / "mine.py:Net"):
        train("--model", name)
        assert runs_in(here) == [run]
    monkeypatch.chdir(here)
    (here / "mine_blocks.py").write_text("WIDTH = 9\n")
    assert "is not what it was" in str(invoke("train", "--config", run.config).exception)
    train("--model", "mine.py:Net")
    assert len(runs_in(here)) == 2
    (here / "mine.py").unlink()  # a comparison imports nothing
    assert "model.sha256" in invoke("compare", here / "results" / "default").output


def test_processes_of_a_sweep_find_the_file(here: Path) -> None:
    words = ("--norm", "bn", "--norm", "ln-chw", "--epochs", 1, "--batch-size", 8, "--device", "cpu", "--jobs", 2)
    data = ("--data", "folder", "--data-dir", "images", "--results", "results", "--name", "mine")
    done = invoke("sweep", "--model", "mine.py:exchanged", *words, *data)
    assert done.exit_code == 0 and "mine.py:exchanged" in done.output
    assert len(runs_in(here)) == 2


def test_a_network_that_fails_is_named_with_its_line(here: Path) -> None:
    error = train_small(here / "images", here / "results", "--model", "mine.py:FailsInTraining").exception
    assert "model 'mine.py:FailsInTraining'" in str(error) and "not today (mine.py, line " in str(error)


def test_the_summary_shows_what_was_exchanged(here: Path) -> None:
    words = ("summary", "--model", "mine.py:exchanged", "--norm", "gn", "--data", "folder", "--data-dir", "images")
    assert "BatchNorm2d" in invoke(*words).output
    found = json.loads(invoke(*words, "--format", "json").stdout)
    assert [(row["layer"], row["is"]) for row in found["exchanged"]] == [("1", "GroupNorm")]
