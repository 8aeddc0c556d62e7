"""A run on the screen: its header, its epochs, its bar, and what is left at the end."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from normbench.config import Config, load_config
from normbench.present.terminal.run import RunView, print_result
from normbench.runs.events import EpochDone, Event, Finished, Started, Step
from normbench.runs.folder import RunFolder
from normbench.runs.record import Record
from normbench.runs.registries import REGISTRIES
from tests.records import make_diverged, make_record

STARTED = Started(
    num_parameters=40_394,
    norm_layers={"BatchNorm2d": 8},
    data="folder data",
    num_train=48,
    num_watched=0,
    num_held_out=24,
    num_classes=3,
    device="cpu",
    threads=2,
    precision="fp32",
    engine="kernels",
    resumed_at=None,
    kernel_level="avx2",
)
ROW = {
    "epoch": 2.0,
    "train_loss": 1.25,
    "train_accuracy": 0.5,
    "test_loss": 1.5,
    "test_accuracy": 0.25,
    "train_s": 3.0,
    "eval_s": 1.0,
    "images_per_s": 16.0,
}


@pytest.fixture
def config() -> Config:
    return load_config(None, REGISTRIES, [("norm.kind", "bn", ""), ("train.epochs", 3, "")])


def shown(config: Config, events: list[Event], *, quiet: bool = False, is_terminal: bool = False) -> str:
    console = Console(width=100, file=io.StringIO(), force_terminal=is_terminal, color_system=None)
    with RunView(config, RunFolder(Path("results/default/bn-s0-12345678")), console, quiet=quiet) as view:
        for event in events:
            view.show(event)
    return console.file.getvalue()


def test_piped_there_are_a_header_and_a_line_an_epoch(config: Config) -> None:
    lines = shown(config, [STARTED, Step(1, 5, 6, 123.0), EpochDone(ROW)]).splitlines()
    assert lines[0].split() == ["norm", "BN:", "8", "BatchNorm2d"]
    assert "40,394 parameters (budget: at most 49,999)" in lines[1]
    assert "48 train, 24 test images, 3 classes" in lines[2]
    assert "cpu (avx2), 2 threads, fp32" in lines[4]
    assert lines[-1] == "epoch  2/3  train 50.00% loss 1.250  test 25.00% loss 1.500  3.0 s"
    assert "images/s" not in "".join(lines)


def test_a_resumed_run_says_where_it_goes_on(config: Config) -> None:
    resumed = Started(**vars(STARTED) | {"resumed_at": (1, 4)})
    assert "resumed  in epoch 2 after 4 steps" in shown(config, [resumed])


def test_on_a_terminal_a_bar_shows_the_epoch_and_the_pace(config: Config) -> None:
    text = shown(config, [STARTED, Step(1, 3, 6, 1234.0, loss=1.5, accuracy=0.456)], is_terminal=True)
    assert "epoch 2/3" in text
    assert "loss 1.500  train 45.6%" in text
    assert "50 %" in text
    assert "1,234 images/s" in text


def test_on_a_gpu_the_bar_shows_the_epoch_before(config: Config) -> None:
    text = shown(config, [STARTED, EpochDone(ROW), Step(2, 3, 6, 1234.0)], is_terminal=True)
    assert "loss 1.250  train 50.0%" in text


def test_quiet_shows_nothing(config: Config) -> None:
    finished = Finished(Record.model_validate(make_record()), already=True)
    assert shown(config, [STARTED, Step(0, 1, 6, 1.0), EpochDone(ROW), finished], quiet=True) == ""
    assert "--restart trains it again" in shown(config, [finished])


def test_the_result_of_a_run_and_of_one_that_diverged(tmp_path: Path) -> None:
    console = Console(width=100, file=io.StringIO())
    timing = {"timing": make_record()["timing"] | {"train_s": 60.0, "eval_s": 5.0, "peak_memory_bytes": 2**29}}
    here = RunFolder(tmp_path / "here")
    here.path.mkdir()
    for file in (here.record, here.metrics, here.picture("curves", "png"), here.checkpoint):
        file.touch()
    print_result(Record.model_validate(make_record(accuracy=0.8) | timing), here, console)
    print_result(Record.model_validate(make_diverged() | timing), RunFolder(Path("there")), console)
    text = console.file.getvalue()
    assert "80.00%  loss 0.6200  (2,000 of 10,000 images wrong)" in text
    assert "12.5 s an epoch, 65 s in all, peak memory 512 MiB" in text
    assert "files  run.json, metrics.csv, curves.png" in text
    assert text.splitlines()[-2:] == ["  status  diverged", "  folder  there"]
