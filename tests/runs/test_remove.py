"""The removal of a run: its own files, and nothing else."""

from pathlib import Path

import pytest

from normbench.errors import ConfigError, RunError
from normbench.runs.folder import RunFolder
from normbench.runs.remove import files_of, remove_run
from tests.records import make_record, write_run


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    folder = RunFolder(write_run(tmp_path, make_record()))
    for file in (folder.metrics, folder.weights, folder.picture("curves", "png")):
        file.write_text("")
    return folder


def test_a_run_and_its_folder_are_removed(run: RunFolder) -> None:
    assert remove_run(run) == []
    assert not run.path.exists()
    assert run.path.parent.is_dir()


def test_what_the_user_put_there_stays(run: RunFolder) -> None:
    notes = run.path / "notes.txt"
    notes.write_text("mine")
    assert remove_run(run) == [notes]
    assert list(run.path.iterdir()) == [notes]


def test_a_folder_of_another_program_has_no_files_of_ours(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("server: {port: 80}\n")
    (tmp_path / "curves.png").write_text("")
    assert files_of(RunFolder(tmp_path)) == []


def test_a_run_that_is_being_trained_is_left_alone(run: RunFolder) -> None:
    with run.held(), pytest.raises(RunError, match="another process is training"):
        remove_run(run)
    assert run.is_finished


def test_nothing_is_removed_through_a_link(run: RunFolder, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(run.path)
    with pytest.raises(ConfigError, match="link"):
        remove_run(RunFolder(link))
    assert run.is_finished
