"""Every run below some folders, finished or not."""

from pathlib import Path

import pytest

from normbench.analysis.compare.listing import list_runs
from normbench.errors import ConfigError
from normbench.runs.folder import RunFolder
from tests.records import make_diverged, make_record, write_run
from tests.tiny import stopped_before_the_end

CONFIG = "norm: {kind: gn, num_groups: 8}\ntrain: {epochs: 20}\nseeds: [3]\n"


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """One experiment with a run of each status."""
    write_run(tmp_path, make_record("gn", seed=1, accuracy=0.9))
    write_run(tmp_path, make_diverged("bn", seed=2))
    begun = tmp_path / "default" / "gn-s3-00000000"
    begun.mkdir()
    RunFolder(begun).config.write_text(CONFIG)
    damaged = tmp_path / "default" / "ln-s4-00000000"
    damaged.mkdir()
    RunFolder(damaged).record.write_text("{")
    return tmp_path


def test_runs_of_every_status_are_listed(results: Path) -> None:
    found = {run.status: run for run in list_runs([results])}
    assert {status: run.label for status, run in found.items()} == {
        "finished": "GN(4)",
        "diverged": "BN",
        "unfinished": "GN(8)",
        "damaged": None,
    }
    assert (found["unfinished"].seed, found["unfinished"].why) == (3, "not begun")
    assert "run.json" in found["damaged"].why


def test_conditions_and_statuses_choose(results: Path) -> None:
    assert [run.seed for run in list_runs([results], ["norm.kind=gn"])] == [1, 3]
    assert [run.seed for run in list_runs([results], ["norm.kind=gn"], ["finished"])] == [1]
    with pytest.raises(ConfigError, match="no run has seed=7"):
        list_runs([results], ["seed=7"])


def test_the_setting_is_what_differs_within_an_experiment(tmp_path: Path) -> None:
    for experiment in ("a", "b"):
        for number, size in enumerate((8, 64)):
            record = make_record(experiment=experiment, config__train__batch_size=size)
            write_run(tmp_path, record | {"run_id": f"bn-s0-0000000{number}"})
    write_run(tmp_path, make_record(experiment="c", config__train__epochs=3))
    found = list_runs([tmp_path])
    assert [run.setting for run in found] == 2 * [("batch size 8",), ("batch size 64",)] + [()]


def test_an_unfinished_run_tells_its_epochs(images: Path, tmp_path: Path) -> None:
    stopped_before_the_end("--data", "folder", "--data-dir", images, "--epochs", 2, results=tmp_path)
    (run,) = list_runs([tmp_path])
    assert (run.status, run.why, run.label, run.seed) == ("unfinished", "2 of 2 epochs", "BN", 0)


def test_a_norm_from_outside_is_not_imported(tmp_path: Path) -> None:
    folder = tmp_path / "x" / "Mine-s0-00000000"
    folder.mkdir(parents=True)
    RunFolder(folder).config.write_text("norm: {kind: 'no_such_module:Mine'}\ntrain: {}\nseeds: [0]\n")
    (run,) = list_runs([tmp_path])
    assert run.label == "no_such_module:Mine"
