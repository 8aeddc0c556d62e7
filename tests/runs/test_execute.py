"""Runs alone and runs that train together: complete folders, the same bits, and errors that concern one run only."""

import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from filelock import FileLock
from safetensors.numpy import load_file

from normbench.config import Choice, Config, load_config
from normbench.data.load import load_dataset
from normbench.errors import DataError, Interrupted
from normbench.runs.checkpoint import from_bytes, to_bytes
from normbench.runs.events import EpochDone, Event, Finished, Started, Step
from normbench.runs.execute import RunIsBusy, tidy, train_group, train_run
from normbench.runs.folder import RunFolder
from normbench.runs.read import read_epochs, read_record
from normbench.runs.record import Diverged
from normbench.runs.registries import REGISTRIES
from normbench.runs.run_id import folder_of
from normbench.runs.training import STEP_S
from normbench.train.machine import Machine
from tests.tiny import make_folder

CPU = torch.device("cpu")
MACHINE = Machine(CPU)
Run = tuple[Config, RunFolder]


@pytest.fixture
def configs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Config]:
    """Two seeds of one norm, three steps an epoch, with mixed images and labels."""
    monkeypatch.chdir(tmp_path)
    images = make_folder(tmp_path / "images")
    settings = {"data.source": "folder", "data.dir": str(images), "train.epochs": 2, "train.batch_size": 20}
    settings |= {"data.augment": ["translate", "mixup", "cutmix"]}
    overrides = [(key, value, f"--set {key}") for key, value in {**settings, "train.precision": "fp32"}.items()]
    return [load_config("default", REGISTRIES, [*overrides, ("seeds", [seed], "--seed")]) for seed in (0, 1)]


def at(results: str, configs: list[Config]) -> list[Run]:
    return [(config, folder_of(config, Path(results))) for config in configs]


class Told:
    """What became of each run of a group, by its number."""

    def __init__(self, then: Callable[[int, Event], None] = lambda number, event: None) -> None:
        self.then = then
        self.events: list[tuple[int, Event]] = []
        self.errors: dict[int, Exception] = {}

    def report(self, number: int, event: Event) -> None:
        self.events.append((number, event))
        self.then(number, event)

    def fail(self, number: int, error: Exception) -> None:
        self.errors[number] = error

    def of(self, kind: type) -> dict[int, Any]:
        return {number: event for number, event in self.events if isinstance(event, kind)}


def train_together(runs: list[Run], way: str = "lanes", then: Callable[[int, Event], None] | None = None) -> Told:
    told = Told(then) if then else Told()
    train_group(runs, load_dataset(runs[0][0].data), MACHINE, way=way, report=told.report, on_error=told.fail)
    return told


def train_alone(run: Run, report: Callable[[Event], None] = lambda event: None) -> Any:
    return train_run(*run, load_dataset(run[0].data), MACHINE, report=report)


def assert_same_results(one: RunFolder, other: RunFolder) -> None:
    weights, expected = load_file(one.weights), load_file(other.weights)
    assert all((weights[name] == expected[name]).all() for name in expected)
    assert one.predictions.read_bytes() == other.predictions.read_bytes()
    ours, theirs = read_record(one), read_record(other)
    for part in ("run_id", "status", "label", "seed", "config", "data", "model", "metrics", "statistics", "precision"):
        assert getattr(ours, part) == getattr(theirs, part), part


def names(folder: RunFolder) -> set[str]:
    return {file.name for file in folder.path.iterdir()}


def position_in(folder: RunFolder) -> tuple[int, int]:
    position = from_bytes(folder.checkpoint.read_bytes(), CPU).position
    return position.epoch, position.step


def interrupt_at(wanted: tuple[int, int]) -> Callable[[int, Event], None]:
    """As if Ctrl-C came during a step: (epoch, steps done in it)."""

    def then(number: int, event: Event) -> None:
        if number == 0 and isinstance(event, Step):
            time.sleep(STEP_S)  # so that the next step is reported too
            if (event.epoch, event.step) == wanted:
                os.kill(os.getpid(), signal.SIGINT)

    return then


def test_a_run_tells_what_happens_in_order(configs: list[Config]) -> None:
    (run,), told = at("results", configs[:1]), []
    record = train_alone(run, told.append)
    assert isinstance(told[0], Started)
    assert (told[0].num_train, told[0].num_held_out, told[0].num_classes) == (48, 24, 3)
    assert told[0].resumed_at is None
    steps = [event for event in told if isinstance(event, Step)]
    assert steps
    assert all(0 < step.images_per_s < 1e6 and 1 <= step.step <= step.num_steps == 3 for step in steps)
    assert [event.row["epoch"] for event in told if isinstance(event, EpochDone)] == [1, 2]
    assert told[-1] == Finished(record)
    again: list[Event] = []
    assert train_alone(run, again.append).run_id == record.run_id
    assert [type(event) for event in again] == [Finished]
    assert again[0].already


def test_pictures_may_be_drawn_later_by_another(configs: list[Config]) -> None:
    """As soon as the run is reported to be finished, although the others of its group are not."""
    runs, whole = at("later", configs), at("at once", configs)[0]
    dataset = load_dataset(configs[0].data)
    left: list[set[str]] = []

    def draw(number: int, event: Event) -> None:
        if isinstance(event, Finished):
            config, folder = runs[number]
            left.append(names(folder))
            tidy(config, folder, lambda: dataset)

    train_group(runs, dataset, MACHINE, way="lanes", pictures=False, report=draw)
    train_alone(whole)
    checkpoints = {"checkpoint.safetensors", "checkpoint.previous.safetensors"}
    for (_, folder), before in zip(runs, left, strict=True):
        assert names(folder) == names(whole[1]) == before - checkpoints | {"curves.png", "misclassified.png"}
    assert runs[0][1].picture("curves", "png").read_bytes() == whole[1].picture("curves", "png").read_bytes()
    assert_same_results(runs[0][1], whole[1])


@pytest.mark.parametrize("stop", [(0, 1), (0, 3), (1, 1)])
def test_a_group_that_is_stopped_goes_on_from_its_checkpoints(stop: tuple[int, int], configs: list[Config]) -> None:
    """One of them alone, then both together although they stand at different places: all with the same bits."""
    runs, undisturbed = at("stopped", configs), at("undisturbed", configs)
    with pytest.raises(Interrupted, match=r"checkpoints kept in .*default$"):
        train_together(runs, then=interrupt_at(stop))
    assert [position_in(folder) for _, folder in runs] == [stop] * 2
    next_step = (stop[0], stop[1] + 1) if stop[1] < 3 else (stop[0] + 1, 1)
    with pytest.raises(Interrupted, match=rf"checkpoint kept in .*{runs[0][1].path.name}$"):
        train_together(runs[:1], then=interrupt_at(next_step))
    assert set(train_together(runs).of(Finished)) == {0, 1}
    for run, expected in zip(runs, undisturbed, strict=True):
        train_alone(expected)
        assert_same_results(run[1], expected[1])
        assert not run[1].checkpoint.exists()
        assert not run[1].lock.exists()


def test_a_schedule_watches_images_held_out_of_training(configs: list[Config]) -> None:
    """It lowers lr by what the rows so far say, so a group that is stopped goes on with the bits of runs alone."""
    schedule = Choice("plateau", {"patience": 0, "threshold": 0.5, "factor": 0.5})
    train = configs[0].train.model_copy(update={"schedule": schedule, "epochs": 4})
    configs = [config.model_copy(update={"train": train}) for config in configs]
    together, alone = at("together", configs), at("alone", configs)
    with pytest.raises(Interrupted):
        train_together(together, then=interrupt_at((2, 1)))
    assert train_together(together).errors == {}
    for (_, folder), run in zip(together, alone, strict=True):
        record = train_alone(run)
        assert_same_results(folder, run[1])
        assert (record.data.num_train, record.data.num_eval, record.data.evaluated_on) == (45, 24, "test")
        rows = read_epochs(folder, record)
        lr, best = 0.04, float("inf")
        for row in rows:
            assert row["lr"] == pytest.approx(lr)
            lr, best = (lr, row["val_loss"]) if row["val_loss"] < 0.5 * best else (lr / 2, best)
        assert rows[-1]["lr"] < 0.04


def test_the_wide_network_gives_complete_folders_that_agree_with_the_run_alone(configs: list[Config]) -> None:
    wide, apart = at("wide", configs), at("apart", configs)
    assert all(event.record.status == "finished" for event in train_together(wide, "wide").of(Finished).values())
    train_alone(apart[1])
    ours, theirs = (read_record(folder).metrics_by_key for folder in (wide[1][1], apart[1][1]))
    assert ours["train_loss"] == pytest.approx(theirs["train_loss"], rel=0.02)
    weights = load_file(wide[1][1].weights)
    assert {name: value.shape for name, value in weights.items()} == {
        name: value.shape for name, value in load_file(apart[1][1].weights).items()
    }


def test_finished_busy_and_failing_runs_are_told_and_the_others_go_on(configs: list[Config]) -> None:
    configs = [*configs, configs[0].for_seed(2), configs[0].for_seed(3)]
    runs = at("results", configs)
    train_alone(runs[0])
    runs[1][1].path.mkdir(parents=True)

    def block_the_weights(number: int, event: Event) -> None:
        if number == 2 and isinstance(event, EpochDone) and event.row["epoch"] == 2:
            runs[2][1].weights.mkdir()

    with FileLock(runs[1][1].lock):
        told = train_together(runs, then=block_the_weights)
    finished = told.of(Finished)
    assert finished[0].already
    assert isinstance(told.errors[1], RunIsBusy)
    assert "model.safetensors: cannot be written" in str(told.errors[2])
    assert not runs[2][1].is_finished
    assert finished[3].record.status == "finished"
    assert finished.keys() | told.errors.keys() == {0, 1, 2, 3}


def test_one_that_was_finished_on_other_data_is_refused_and_the_others_go_on(configs: list[Config]) -> None:
    runs = at("results", configs)
    train_alone(runs[0])
    next(Path("images").rglob("*.png")).unlink()
    told = train_together(runs)
    assert isinstance(told.errors[0], DataError)
    assert "finished on other data" in str(told.errors[0])
    assert told.of(Finished)[1].record.status == "finished"


def test_one_that_diverges_is_a_result_and_the_others_stay_as_they_are(configs: list[Config]) -> None:
    runs, apart = at("results", configs), at("apart", configs)
    with pytest.raises(Interrupted):
        train_together(runs, then=interrupt_at((0, 1)))
    poisoned = runs[0][1].checkpoint
    checkpoint = from_bytes(poisoned.read_bytes(), CPU)
    weights = {name: torch.full_like(w, float("nan")) if w.dim() > 1 else w for name, w in checkpoint.model.items()}
    poisoned.write_bytes(to_bytes(replace(checkpoint, model=weights)))
    told = train_together(runs)
    record = told.of(Finished)[0].record
    assert record.status == "diverged"
    assert record.diverged == Diverged(epoch=1, step=2, loss="nan")
    assert [number for number, event in told.events if isinstance(event, EpochDone)] == [1, 1]
    train_alone(apart[1])
    assert_same_results(runs[1][1], apart[1][1])


def test_on_the_cpu_a_checkpoint_is_kept_after_each_epoch(configs: list[Config]) -> None:
    runs, seen = at("results", configs), []

    def look(number: int, event: Event) -> None:
        if isinstance(event, EpochDone):
            checkpoint = from_bytes(runs[number][1].checkpoint.read_bytes(), CPU)
            seen.append((number, checkpoint.position.epoch, len(checkpoint.rows)))

    train_together(runs, then=look)
    assert seen == [(0, 1, 1), (1, 1, 1), (0, 2, 2), (1, 2, 2)]
