"""Several processes training at once: nothing is lost, trained twice, or held up by what fails."""

import os
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from filelock import FileLock
from safetensors.numpy import load_file

from normbench.config import load_config
from normbench.runs.execute import folder_of
from normbench.runs.registries import REGISTRIES
from normbench.sweeps import pool
from normbench.sweeps.pool import RunEvent, Waiting, train_all
from normbench.sweeps.worker import Ended, Order, Workplace
from tests.tiny import invoke, make_folder


def draw_nothing(run: Any, trained: Any) -> None:
    pass


def die_drawing_gn(run: Any, trained: Any) -> None:
    if run.config.norm.name == "gn":
        os.kill(os.getpid(), signal.SIGKILL)


def fail_drawing_gn(run: Any, trained: Any) -> None:
    if run.config.norm.name == "gn":
        raise ZeroDivisionError("a bug")


def place(draw: Any = draw_nothing) -> Workplace:
    return Workplace(device="cpu", threads=1, precision="fp32", draw=draw)


@pytest.fixture
def orders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Order]:
    monkeypatch.setenv("NORMBENCH_CACHE", str(tmp_path / "cache"))
    images = make_folder(tmp_path / "images")
    settings = {"data.source": "folder", "data.dir": str(images), "train.epochs": 1, "train.batch_size": 8}
    overrides = [(key, value, f"--set {key}") for key, value in settings.items()]
    configs = [load_config("default", REGISTRIES, [*overrides, ("norm", norm, "--norm")]) for norm in ("gn", "bn")]
    return [Order(config, folder_of(config, tmp_path / "results")) for config in configs]


def ends(events: list[Any]) -> dict[str, Ended]:
    """What became of each norm's run."""
    over = [event for event in events if isinstance(event, RunEvent) and isinstance(event.message, Ended)]
    return {event.order.config.norm.name: event.message for event in over}


def test_a_run_in_the_pool_has_the_bits_of_the_run_alone(orders: list[Order], tmp_path: Path) -> None:
    found = ends(list(train_all(orders, place(), jobs=2)))
    assert {norm: end.status for norm, end in found.items()} == {"gn": "finished", "bn": "finished"}
    for order in orders:
        record = found[order.config.norm.name].record
        assert record is not None
        assert record.environment["threads"] == 1
        assert record.precision == "fp32"  # what the workplace says, where the config says auto
        folder = folder_of(order.config, tmp_path / "alone")
        alone = Order(order.config, folder)
        list(train_all([alone], place(), jobs=1))
        together = load_file(order.folder.weights)
        for name, weights in load_file(folder.weights).items():
            assert (weights == together[name]).all(), name
        assert folder.predictions.read_bytes() == order.folder.predictions.read_bytes()


@pytest.mark.parametrize("draw", [die_drawing_gn, fail_drawing_gn])
def test_what_fails_does_not_hold_up_the_others(draw: Any, orders: list[Order]) -> None:
    found = ends(list(train_all(orders, place(draw), jobs=1)))
    assert found["gn"].status == "failed"
    assert found["bn"].status == "finished"
    assert not orders[0].folder.is_finished
    if draw is die_drawing_gn:
        assert "killed, perhaps for lack of memory" in found["gn"].message
    else:
        assert "ZeroDivisionError: a bug" in found["gn"].message
        assert "a bug" in orders[0].folder.error.read_text()
    again = ends(list(train_all(orders, place(), jobs=1)))
    assert {norm: end.status for norm, end in again.items()} == {"gn": "finished", "bn": "already"}
    assert not orders[0].folder.error.exists()


def test_fail_fast_stops_at_the_first_failure(orders: list[Order]) -> None:
    found = ends(list(train_all(orders, place(fail_drawing_gn), jobs=1, fail_fast=True)))
    assert list(found) == ["gn"]
    assert not orders[1].folder.path.exists()


def test_what_another_process_trains_is_waited_for(orders: list[Order], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "RETRY_S", 0.1)
    order = orders[0]
    order.folder.path.mkdir(parents=True)
    lock = FileLock(order.folder.lock)
    lock.acquire()
    seen: Counter[str] = Counter()
    for event in train_all(orders, place(), jobs=1):
        match event:
            case Waiting(waiting):
                assert waiting == (order,)
                assert orders[1].folder.is_finished  # the other one was not kept waiting
                seen["waiting"] += 1
                if seen["waiting"] == 2:
                    lock.release()
            case RunEvent(message=Ended(status=status)):
                seen[status] += 1
    assert seen["waiting"] >= 2
    assert seen["finished"] == 2
    assert order.folder.is_finished


def test_the_jobs_follow_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "num_cores", lambda: 4)
    assert pool.choose_jobs(100, "cpu") <= 4
    assert pool.choose_jobs(2, "cpu") <= 2
    assert pool.choose_jobs(0, "cpu") == 1
    assert pool.choose_jobs(100, "cuda") == 1


def test_train_refuses_a_run_that_another_process_trains(orders: list[Order], tmp_path: Path) -> None:
    order = orders[0]
    order.folder.path.mkdir(parents=True)
    config = order.folder.path.parent / "config.yaml"
    config.write_text(yaml.safe_dump(order.config.to_dict()))
    with FileLock(order.folder.lock):
        result = invoke("train", "--config", config, "--results", tmp_path / "results")
    assert "another process is training this run" in str(result.exception)
