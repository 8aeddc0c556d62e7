"""`sweep --together`: seeds that train in the same steps get the folders they would have got alone."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from filelock import FileLock
from safetensors.numpy import load_file

from normbench.config import Config, load_config
from normbench.data import load_dataset
from normbench.errors import DataError
from normbench.runs import together
from normbench.runs.execute import EpochDone, Finished, RunIsBusy, Step, Trained, execute, folder_of
from normbench.runs.folder import RunFolder
from normbench.runs.read import read_record
from normbench.runs.record import Diverged
from normbench.runs.registries import REGISTRIES
from normbench.runs.together import AT_ONCE, alike_but_for_seed, execute_together
from normbench.sweeps.pool import RunEvent, train_all
from normbench.sweeps.worker import Advanced, Ended, EpochEnded, Order, Workplace
from normbench.train.capture import NotRecordable
from normbench.train.checkpoint import from_bytes
from tests.tiny import invoke, make_folder

CPU = torch.device("cpu")
SWEEP = """
extends: default.yaml
name: tiny
data: {source: folder, dir: IMAGES}
model: {dropout: 0.1}
train: {epochs: 2, batch_size: 20, precision: fp32}
seeds: [0, 1, 2]
sweep:
  norm: [bn, gn]
"""


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NORMBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return make_folder(tmp_path / "images")


@pytest.fixture
def configs(images: Path) -> list[Config]:
    """Two seeds of one norm, three steps an epoch."""
    settings = {"data.source": "folder", "data.dir": str(images), "train.epochs": 2, "train.batch_size": 20}
    overrides = [(key, value, f"--set {key}") for key, value in {**settings, "train.precision": "fp32"}.items()]
    return [load_config("default", REGISTRIES, [*overrides, ("seeds", [seed], "--seed")]) for seed in (0, 1)]


def draw_nothing(run: Any, trained: Any) -> None:
    pass


def at(results: str, configs: list[Config]) -> list[tuple[Config, RunFolder]]:
    return [(config, folder_of(config, Path(results))) for config in configs]


def train_together(runs: list[tuple[Config, RunFolder]], way: str = "lanes", **more: Any) -> list[together.Happening]:
    more.setdefault("draw", draw_nothing)
    return list(execute_together(runs, CPU, way=way, say=print, load=lambda c, say: load_dataset(c, say), **more))


def train_alone(run: tuple[Config, RunFolder]) -> None:
    list(execute(*run, "cpu", say=print, draw=draw_nothing))


def assert_same_results(one: RunFolder, other: RunFolder) -> None:
    weights, expected = load_file(one.weights), load_file(other.weights)
    assert all((weights[name] == expected[name]).all() for name in expected)
    assert one.predictions.read_bytes() == other.predictions.read_bytes()
    ours, theirs = read_record(one), read_record(other)
    for part in ("run_id", "status", "label", "seed", "config", "data", "model", "metrics", "statistics", "precision"):
        assert getattr(ours, part) == getattr(theirs, part), part


def outcomes(happenings: list[together.Happening]) -> dict[int, Any]:
    return {number: event for number, event in happenings if isinstance(event, Finished | Exception)}


def test_a_sweep_together_is_the_sweep_run_by_run(images: Path) -> None:
    """Through the real entry point, with dropout, in two processes: every file of every run but its times."""
    file = Path("tiny.yaml")
    file.write_text(SWEEP.replace("IMAGES", str(images)))
    for how in ("off", "lanes"):
        result = invoke("sweep", file, "--jobs", 2, "--together", how, "--results", how)
        assert result.exit_code == 0, result.output
        assert "6/6" in result.output
        assert ("train together (lanes)" in result.output) == (how == "lanes")
    folders = sorted(Path("lanes/tiny").iterdir())
    assert len(folders) == 6
    for folder in folders:
        other = Path("off/tiny") / folder.name
        assert {file.name for file in folder.iterdir()} == {file.name for file in other.iterdir()}
        assert_same_results(RunFolder(folder), RunFolder(other))


def test_the_wide_network_gives_complete_folders_that_agree_with_the_run_alone(configs: list[Config]) -> None:
    wide, apart = at("wide", configs), at("apart", configs)
    assert all(event.record.status == "finished" for event in outcomes(train_together(wide, "wide")).values())
    train_alone(apart[1])
    ours, theirs = (read_record(folder).metrics_by_key for folder in (wide[1][1], apart[1][1]))
    assert ours["train_loss"] == pytest.approx(theirs["train_loss"], rel=0.02)
    weights = load_file(wide[1][1].weights)
    assert {name: value.shape for name, value in weights.items()} == {
        name: value.shape for name, value in load_file(apart[1][1].weights).items()
    }


def stop_after(steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if Ctrl-C came so many steps after the start."""

    class Stop(together.StopRequest):
        looked = 0

        @property
        def requested(self) -> bool:
            Stop.looked += 1
            return Stop.looked >= steps

        @requested.setter
        def requested(self, value: bool) -> None:
            pass

    monkeypatch.setattr(together, "StopRequest", Stop)


@pytest.mark.parametrize("steps", [1, 3, 5])
def test_stopped_each_goes_on_from_its_checkpoint(
    steps: int, configs: list[Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of them alone, then both together although they stand at different places: all with the same bits."""
    runs, undisturbed = at("stopped", configs), at("undisturbed", configs)
    with monkeypatch.context() as patched, pytest.raises(together.Interrupted, match="checkpoints kept"):
        stop_after(steps, patched)
        train_together(runs)
    positions = [from_bytes(folder.checkpoint.read_bytes(), CPU).position for _, folder in runs]
    assert [(position.epoch, position.step) for position in positions] == [((steps - 1) // 3, (steps - 1) % 3 + 1)] * 2
    with monkeypatch.context() as patched, pytest.raises(together.Interrupted):
        stop_after(1, patched)
        train_together(runs[:1])
    assert set(outcomes(train_together(runs))) == {0, 1}
    for run, expected in zip(runs, undisturbed, strict=True):
        train_alone(expected)
        assert_same_results(run[1], expected[1])
        assert not run[1].checkpoint.exists()
        assert not run[1].lock.exists()


def test_finished_busy_and_failing_runs_are_told_and_the_others_go_on(configs: list[Config]) -> None:
    configs = [*configs, configs[0].for_seed(2), configs[0].for_seed(3)]
    runs = at("results", configs)
    train_alone(runs[0])
    runs[1][1].path.mkdir(parents=True)

    def draw(run: Any, trained: Trained) -> None:
        if run.config.seed == 2:
            raise ZeroDivisionError("a bug")

    with FileLock(runs[1][1].lock):
        found = outcomes(train_together(runs, draw=draw))
    assert found[0].already
    assert isinstance(found[1], RunIsBusy)
    assert isinstance(found[2], ZeroDivisionError)
    assert found[3].record.status == "finished"
    assert not runs[2][1].is_finished


def test_one_that_was_finished_on_other_data_is_refused_and_the_others_go_on(configs: list[Config]) -> None:
    runs = at("results", configs)
    train_alone(runs[0])
    next(Path("images").rglob("*.png")).unlink()
    found = outcomes(train_together(runs))
    assert isinstance(found[0], DataError)
    assert "finished on other data" in str(found[0])
    assert found[1].record.status == "finished"


def test_one_that_diverges_is_a_result_and_the_others_stay_as_they_are(
    configs: list[Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare = together.prepare

    def poisoned(config: Config, *more: Any) -> Any:
        run = prepare(config, *more)
        if config.seed == 0:
            with torch.no_grad():
                next(run.model.parameters()).fill_(float("nan"))
        return run

    runs, apart = at("results", configs), at("apart", configs)
    with monkeypatch.context() as patched:
        patched.setattr(together, "prepare", poisoned)
        happenings = train_together(runs)
    found = outcomes(happenings)
    assert found[0].record.status == "diverged"
    assert found[0].record.diverged == Diverged(epoch=1, step=1, loss="nan")
    assert [number for number, event in happenings if isinstance(event, EpochDone)] == [1, 1]
    train_alone(apart[1])
    assert_same_results(runs[1][1], apart[1][1])


def test_a_step_that_cannot_be_recorded_trains_all_the_same_and_says_so(
    configs: list[Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*anything: Any) -> None:
        raise NotRecordable("operation not permitted when stream is capturing")

    run, apart, said = at("results", configs[:1]), at("apart", configs[:1]), []
    monkeypatch.setattr("normbench.train.lockstep.capture", refuse)
    list(execute_together(run, CPU, way="lanes", say=said.append, draw=draw_nothing, load=load_dataset))
    assert [text for text in said if "CUDA graph" in text] == [
        "the training step is not one CUDA graph, and slower for it: operation not permitted when stream is capturing"
    ]
    train_alone(apart[0])
    assert_same_results(run[0][1], apart[0][1])


def test_checkpoints_are_kept_as_time_goes_by(configs: list[Config], monkeypatch: pytest.MonkeyPatch) -> None:
    runs, seen = at("results", configs), []
    monkeypatch.setattr(together, "KEEP_S", 0.0)
    for number, event in execute_together(runs, CPU, way="lanes", say=print, draw=draw_nothing, load=load_dataset):
        if isinstance(event, EpochDone):
            checkpoint = from_bytes(runs[number][1].checkpoint.read_bytes(), CPU)
            seen.append((number, checkpoint.position.epoch, len(checkpoint.rows)))
        elif isinstance(event, Step):
            assert 0 < event.images_per_s < 1e6
    assert seen == [(0, 1, 1), (1, 1, 1), (0, 2, 2), (1, 2, 2)]


def test_a_stopped_group_keeps_every_checkpoint(configs: list[Config], tmp_path: Path) -> None:
    """By a signal, as soon as steps are told of."""
    long = [config.model_copy(update={"train": config.train.model_copy(update={"epochs": 1000})}) for config in configs]
    orders = [Order(config, folder, "wide") for config, folder in at(str(tmp_path / "results"), long)]
    ends, is_sent = [], False
    for event in train_all(orders, Workplace("cpu", 1, "fp32", draw_nothing), jobs=1):
        match event:
            case RunEvent(message=Advanced(done=done)) if done > 0 and not is_sent:
                is_sent = True
                os.kill(os.getpid(), signal.SIGINT)
            case RunEvent(message=Ended(status=status)):
                ends.append(status)
    assert ends == ["interrupted", "interrupted"]
    positions = [from_bytes(order.folder.checkpoint.read_bytes(), CPU).position for order in orders]
    assert positions[0].epoch == positions[1].epoch
    assert positions[0].step == positions[1].step > 0


def test_groups_hold_what_differs_in_its_seed_only(configs: list[Config]) -> None:
    def of(norm: str, seed: int) -> Config:
        return load_config("default", REGISTRIES, [("norm.kind", norm, ""), ("seeds", [seed], "")])

    mixed = [of("gn", 0), of("bn", 0), of("gn", 1), of("bn", 1)]
    assert alike_but_for_seed(mixed) == [[0, 2], [1, 3]]
    many = alike_but_for_seed([of("bn", seed) for seed in range(AT_ONCE + 4)])
    assert sorted(map(len, many)) == [(AT_ONCE + 4) // 2] * 2
    assert sorted(number for group in many for number in group) == list(range(AT_ONCE + 4))


def kill_itself(run: Any, trained: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize(("draw", "status"), [(draw_nothing, "finished"), (kill_itself, "failed")])
def test_the_pool_tells_of_each_run_of_a_group(
    draw: Callable[..., None], status: str, configs: list[Config], tmp_path: Path
) -> None:
    orders = [Order(config, folder, "lanes") for config, folder in at(str(tmp_path / "results"), configs)]
    events = list(train_all(orders, Workplace("cpu", 1, "fp32", draw), jobs=2))
    mine: dict[int, list[Any]] = {0: [], 1: []}
    for event in events:
        assert isinstance(event, RunEvent)
        assert event.order is not None
        mine[event.order.config.seed].append(event)
    for seed, told in mine.items():
        assert {event.slot for event in told} == {seed}
        assert sum(isinstance(event.message, EpochEnded) for event in told) == 2
        assert [event.message.status for event in told if isinstance(event.message, Ended)] == [status]
