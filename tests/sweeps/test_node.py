"""What a machine checks before it trains runs of a sweep that another one started."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from normbench.config import load_config
from normbench.files import holding
from normbench.runs.events import Unfinished
from normbench.runs.folder import RunFolder
from normbench.runs.registries import REGISTRIES
from normbench.sweeps.node import Home, differences, home, look_at, train_here
from normbench.sweeps.worker import RunRequest
from normbench.train.machine import Machine


@pytest.fixture
def started(images: Path, tmp_path: Path) -> Home:
    (tmp_path / ".sweep.1234").write_text("secret")
    return home(tmp_path / ".sweep.1234", "secret", images)


def test_a_machine_like_the_first_has_no_differences(started: Home) -> None:
    with holding(started.sign_lock):
        report = look_at(started)
    assert report.differences == ()
    assert report.sees_locks
    assert not look_at(started).sees_locks  # nobody holds it


def test_each_difference_is_named(started: Home, images: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    cases = {
        "torch is ": replace(started, versions={**started.versions, "torch": "1.0"}),
        "not the folder of the results": replace(started, sign=tmp_path / "other" / "sign"),
        "where the sweep was started": replace(started, working_folder=tmp_path / "gone"),
        "holds other files": replace(started, data=tmp_path / "other"),
        "the data, is not there": replace(started, data=tmp_path / "gone"),
    }
    for clause, unlike in cases.items():
        (found,) = differences(unlike)
        assert clause in found
    (tmp_path / ".sweep.1234").write_text("of another sweep")
    assert len(list(differences(started))) == 1


def test_an_unlike_machine_trains_nothing_and_says_why(started: Home, tmp_path: Path) -> None:
    config = load_config("default", REGISTRIES)
    request = RunRequest(config, RunFolder(tmp_path / "run"))
    unlike = replace(started, versions={**started.versions, "normbench": "0.0.1"})
    ((number, end),) = train_here(unlike, [request], Machine(torch.device("cpu")))
    assert number == 0
    assert isinstance(end, Unfinished)
    assert end.status == "failed"
    assert "normbench is " in end.message
    assert not request.folder.path.exists()
