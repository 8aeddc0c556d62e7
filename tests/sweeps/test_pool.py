"""Several processes training at once: nothing is lost, trained twice, or held up by what fails."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from filelock import FileLock
from safetensors.numpy import load_file

from normbench.config import Config, load_config
from normbench.runs.checkpoint import from_bytes
from normbench.runs.events import EpochDone, Finished, Step, Unfinished
from normbench.runs.registries import REGISTRIES
from normbench.runs.run_id import folder_of
from normbench.sweeps.pool import LocalPool, choose_jobs
from normbench.sweeps.queue import QueueEvent, RunEvent, Waiting, train_all
from normbench.sweeps.worker import RunRequest
from normbench.train.machine import Machine
from tests.tiny import invoke

CPU = torch.device("cpu")
MACHINE = Machine(CPU, threads=1, precision="fp32")
FAILING = "tests.outside_norms:Failing"


def config_for(images: Path, norm: dict[str, Any], seed: int = 0, epochs: int = 1) -> Config:
    settings = {"data.source": "folder", "data.dir": str(images), "train.epochs": epochs, "train.batch_size": 8}
    overrides = [(key, value, f"--set {key}") for key, value in settings.items()]
    return load_config("default", REGISTRIES, [*overrides, ("norm", norm, "--norm"), ("seeds", [seed], "--seed")])


def request_for(config: Config, results: Path, way: str | None = None) -> RunRequest:
    return RunRequest(config, folder_of(config, results), way)


@pytest.fixture
def requests(images: Path, tmp_path: Path) -> list[RunRequest]:
    return [request_for(config_for(images, {"kind": norm}), tmp_path / "results") for norm in ("gn", "bn")]


def train(requests: list[RunRequest], jobs: int = 1, **more: Any) -> list[QueueEvent]:
    events: list[QueueEvent] = []
    train_all(requests, LocalPool(MACHINE, jobs), events.append, **more)
    return events


def ends(events: list[QueueEvent]) -> dict[str, Finished | Unfinished]:
    """What became of each norm's run."""
    over = [event for event in events if isinstance(event, RunEvent) and isinstance(event.event, Finished | Unfinished)]
    return {event.request.config.norm.name: event.event for event in over}


def test_a_run_in_the_pool_has_the_bits_of_the_run_alone(requests: list[RunRequest], tmp_path: Path) -> None:
    found = ends(train(requests, jobs=2))
    assert set(found) == {"gn", "bn"}
    for one in requests:
        record = found[one.config.norm.name].record
        assert record.status == "finished"
        assert record.environment["threads"] == 1
        assert record.precision == "fp32"  # the machine's, where the config says auto
        alone = request_for(one.config, tmp_path / "alone")
        train([alone])
        together = load_file(one.folder.weights)
        for name, weights in load_file(alone.folder.weights).items():
            assert (weights == together[name]).all(), name
        assert alone.folder.predictions.read_bytes() == one.folder.predictions.read_bytes()


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    """While this file is there, the norm FAILING fails."""
    (tmp_path / "marker").touch()
    return tmp_path / "marker"


def failing(marker: Path, *, kill: bool) -> dict[str, Any]:
    return {"kind": FAILING, "marker": str(marker), "kill": kill}


@pytest.mark.parametrize("kill", [True, False])
def test_what_fails_does_not_hold_up_the_others(
    kill: bool, images: Path, marker: Path, requests: list[RunRequest], tmp_path: Path
) -> None:
    broken = request_for(config_for(images, failing(marker, kill=kill)), tmp_path / "results")
    both = [broken, requests[1]]
    found = ends(train(both))
    assert found[FAILING].status == "failed"
    assert found["bn"].record.status == "finished"
    assert not broken.folder.is_finished
    if kill:
        assert "killed, perhaps for lack of memory" in found[FAILING].message
    else:
        assert "layer layers.stem.1: ZeroDivisionError: a bug (outside_norms.py, line" in found[FAILING].message
    marker.unlink()
    again = ends(train(both))
    assert [again[FAILING].already, again["bn"].already] == [False, True]
    assert not broken.folder.error.exists()


def test_fail_fast_stops_at_the_first_failure(
    images: Path, marker: Path, requests: list[RunRequest], tmp_path: Path
) -> None:
    broken = request_for(config_for(images, failing(marker, kill=False)), tmp_path / "results")
    found = ends(train([broken, requests[1]], fail_fast=True))
    assert list(found) == [FAILING]
    assert not requests[1].folder.path.exists()


def test_what_another_process_trains_is_waited_for(requests: list[RunRequest]) -> None:
    busy = requests[0]
    busy.folder.path.mkdir(parents=True)
    lock = FileLock(busy.folder.lock)
    lock.acquire()
    waited, finished = [], []

    def follow(event: QueueEvent) -> None:
        match event:
            case Waiting(waiting):
                assert waiting == (busy,)
                assert requests[1].folder.is_finished  # the other one was not kept waiting
                waited.append(waiting)
                if len(waited) == 2:
                    lock.release()
            case RunEvent(event=Finished()):
                finished.append(event.request)

    train_all(requests, LocalPool(MACHINE, 1), follow, retry_s=0.1)
    assert len(waited) >= 2
    assert finished == [requests[1], busy]
    assert busy.folder.is_finished


@pytest.mark.parametrize("kill", [None, True])
def test_the_pool_tells_of_each_run_of_a_group(kill: bool | None, images: Path, marker: Path, tmp_path: Path) -> None:
    norm = failing(marker, kill=kill) if kill else {"kind": "bn"}
    requests = [request_for(config_for(images, norm, seed, epochs=2), tmp_path / "results", "lanes") for seed in (0, 1)]
    mine: dict[int, list[RunEvent]] = {0: [], 1: []}
    for event in train(requests, jobs=2):
        assert isinstance(event, RunEvent)
        mine[event.request.config.seed].append(event)
    for seed, told in mine.items():
        assert {event.slot for event in told} == {seed}
        end = told[-1].event
        if kill:
            assert isinstance(end, Unfinished)
            assert end.status == "failed"
        else:
            assert isinstance(end, Finished)
            assert sum(isinstance(event.event, EpochDone) for event in told) == 2


def test_a_stopped_group_keeps_every_checkpoint(images: Path, tmp_path: Path) -> None:
    """The signal comes as soon as steps are reported."""
    requests = [
        request_for(
            config.model_copy(update={"train": config.train.model_copy(update={"epochs": 1000})}),
            tmp_path / "results",
            "wide",
        )
        for config in (config_for(images, {"kind": "bn"}, seed) for seed in (0, 1))
    ]
    is_sent, statuses = False, []

    def follow(event: QueueEvent) -> None:
        nonlocal is_sent
        match event:
            case RunEvent(event=Step()) if not is_sent:
                is_sent = True
                os.kill(os.getpid(), signal.SIGINT)
            case RunEvent(event=Unfinished(status=status)):
                statuses.append(status)

    train_all(requests, LocalPool(MACHINE, 1), follow)
    assert statuses == ["interrupted", "interrupted"]
    positions = [from_bytes(one.folder.checkpoint.read_bytes(), CPU).position for one in requests]
    assert positions[0].epoch == positions[1].epoch
    assert positions[0].step == positions[1].step > 0


def test_the_jobs_follow_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 1, 2, 3})
    assert choose_jobs(100, MACHINE) <= 4
    assert choose_jobs(2, MACHINE) <= 2
    assert choose_jobs(0, MACHINE) == 1
    assert choose_jobs(100, Machine(torch.device("cuda"))) == 1


def test_train_refuses_a_run_that_another_process_trains(requests: list[RunRequest], tmp_path: Path) -> None:
    busy = requests[0]
    busy.folder.path.mkdir(parents=True)
    config = busy.folder.path.parent / "config.yaml"
    config.write_text(yaml.safe_dump(busy.config.to_dict()))
    with FileLock(busy.folder.lock):
        result = invoke("train", "--config", config, "--results", tmp_path / "results")
    assert "another process is training this run" in str(result.exception)
