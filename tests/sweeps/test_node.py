"""What a machine checks before it trains runs of a sweep that another one started."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from normbench.config import load_config
from normbench.runs.events import Unfinished
from normbench.runs.folder import RunFolder
from normbench.runs.registries import REGISTRIES
from normbench.sweeps.node import Home, differences, look_at, signed_home, train_here
from normbench.sweeps.worker import RunRequest
from normbench.train.machine import Machine


@pytest.fixture
def started(images: Path, tmp_path: Path) -> Iterator[Home]:
    with signed_home(tmp_path, images) as home:
        yield home


def test_a_machine_like_the_first_has_no_differences(images: Path, tmp_path: Path) -> None:
    with signed_home(tmp_path, images) as home:
        report = look_at(home)
    assert report.differences == ()
    assert report.sees_locks
    assert not look_at(home).sees_locks  # nobody holds it
    assert not list(tmp_path.iterdir())


SIGNS_AND_DIES = """
import os, sys
from pathlib import Path
from normbench.sweeps.node import signed_home
with signed_home(Path(sys.argv[1]), None):
    os._exit(0)
"""


def test_what_a_killed_sweep_left_is_removed_and_the_sign_of_a_living_one_stays(started: Home, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", SIGNS_AND_DIES, str(tmp_path)], check=True)
    assert len(list(tmp_path.glob(".sweep.*"))) == 4
    with signed_home(tmp_path, None) as other:
        assert set(tmp_path.glob(".sweep.*.sign")) == {started.sign, other.sign}
    assert set(tmp_path.glob(".sweep.*")) == {started.sign, started.sign_lock}


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
    started.sign.write_text("of another sweep")
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
