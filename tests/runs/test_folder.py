"""A run's folder: finding and clearing."""

from pathlib import Path

import pytest

from normbench.errors import ConfigError, NormbenchError
from normbench.locks import locked
from normbench.runs.folder import MOST_DEEP, RunFolder, find_runs, survey
from tests.records import make_record, write_run


def test_runs_are_found_at_any_depth_once_and_sorted(tmp_path: Path) -> None:
    second = write_run(tmp_path, make_record("gn"))
    first = write_run(tmp_path, make_record("bn"))
    unfinished = tmp_path / "other" / "x"
    unfinished.mkdir(parents=True)
    (unfinished / "checkpoint.safetensors").touch()
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "run.json").touch()
    (tmp_path / "loop").symlink_to(tmp_path, target_is_directory=True)
    found = find_runs([tmp_path, second, tmp_path / "default"])
    assert [run.path for run in found] == [first, second, unfinished]
    assert [run.is_finished for run in found] == [True, True, False]


def test_folders_without_a_run_are_named_at_the_top(tmp_path: Path) -> None:
    run = write_run(tmp_path, make_record())
    (tmp_path / "junk" / "deep").mkdir(parents=True)
    (tmp_path / "default" / "README.md").touch()
    found = survey([tmp_path])
    assert [folder.path for folder in found.runs] == [run]
    assert found.foreign == [tmp_path / "junk"]


def test_no_tree_is_followed_for_ever(tmp_path: Path) -> None:
    """The search stops at MOST_DEEP folders, before Python's limit of recursion would end the command as a bug."""
    deepest = tmp_path.joinpath(*["x"] * MOST_DEEP)
    run = write_run(deepest.parent.parent, make_record())
    write_run(deepest, make_record("gn"))
    assert [folder.path for folder in find_runs([tmp_path])] == [run]


def test_the_record_itself_may_be_given(tmp_path: Path) -> None:
    run = write_run(tmp_path, make_record())
    assert find_runs([run / "run.json"]) == [RunFolder(run)]


def test_a_path_that_is_not_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nowhere: no such folder"):
        find_runs([tmp_path / "nowhere"])
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="is not a folder"):
        find_runs([tmp_path / "file"])


def test_clear_removes_the_runs_results_only(tmp_path: Path) -> None:
    folder = RunFolder(write_run(tmp_path, make_record()))
    for path in (folder.checkpoint, folder.previous_checkpoint, folder.picture("curves", "png"), folder.error):
        path.touch()
    kept = (folder.config, folder.lock, folder.path / "notes.txt")
    for path in kept:
        path.touch()
    folder.clear()
    assert set(folder.path.iterdir()) == set(kept)
    folder.picture("curves", "png").mkdir()
    with pytest.raises(NormbenchError, match=r"curves\.png: cannot be written"):
        folder.clear()


def test_a_finished_run_is_tidied_after_a_kill_and_an_unfinished_one_keeps_its_checkpoint(tmp_path: Path) -> None:
    folder = RunFolder(write_run(tmp_path, make_record()))
    before = set(folder.path.iterdir())
    by_name = [folder.path / name for name in (".run.json.0123abcd.tmp", "checkpoint.pt", "checkpoint.previous.pt")]
    left = (folder.checkpoint, folder.previous_checkpoint, folder.lock, *by_name)
    for path in left:
        path.touch()
    with locked(folder.path):  # another process is at it
        folder.tidy()
        assert folder.checkpoint.exists()
    for path in left:
        path.touch()
    folder.tidy()
    assert set(folder.path.iterdir()) == before
    folder.record.unlink()
    folder.checkpoint.touch()
    folder.tidy()
    assert folder.checkpoint.exists()


def test_a_run_takes_no_folder_that_is_a_link(tmp_path: Path) -> None:
    """It may lead to the unfinished run of another seed, whose checkpoints would be lost."""
    other = RunFolder(tmp_path / "bn-s1-11111111")
    other.path.mkdir()
    for file in (other.record, other.checkpoint):
        file.touch()
    link = RunFolder(tmp_path / "bn-s0-00000000")
    link.path.symlink_to(other.path)
    with pytest.raises(ConfigError, match="is a link"), link.held():
        pass
    link.tidy()
    assert other.checkpoint.exists()
    assert not other.lock.exists()
