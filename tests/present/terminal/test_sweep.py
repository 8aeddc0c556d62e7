"""A sweep on the screen: its plan, its bars, and a line for each run that ended."""

import io
from pathlib import Path

import pytest
import torch
from rich.console import Console

from normbench.config import load_config
from normbench.present.terminal.sweep import SweepView, duration, run_title
from normbench.runs.events import EpochDone, Event, Finished, Logged, Step, Unfinished
from normbench.runs.record import Record
from normbench.runs.registries import REGISTRIES
from normbench.sweeps.plan import Plan, requests_for
from normbench.sweeps.queue import RunEvent, Stopping, Waiting
from normbench.sweeps.run import Planned, SweepEvent, Trained
from normbench.train.machine import Machine
from tests.records import make_diverged, make_record

CONFIGS = [
    load_config(None, REGISTRIES, [("norm.kind", kind, ""), ("train.epochs", 2, "")]).for_seed(seed)
    for kind in ("bn", "gn")
    for seed in (0, 1)
]
ORDERS = tuple(requests_for(CONFIGS, Path("results")))
PLAN = Plan(ORDERS[1:], ORDERS[:1], (60.0, 60.0, 120.0), 2, Machine(torch.device("cpu"), 1, "fp32"))
PLANNED = Planned("tiny", PLAN, ("norm",), "a note", trains=True)


def happened(number: int, event: Event) -> RunEvent:
    return RunEvent(ORDERS[number], slot=number, event=event)


def shown(events: list[SweepEvent], *, quiet: bool = False, is_terminal: bool = False, width: int = 100) -> str:
    console = Console(width=width, file=io.StringIO(), force_terminal=is_terminal, color_system=None)
    with SweepView(console, quiet=quiet) as view:
        for event in events:
            view.show(event)
    return console.file.getvalue()


def record(**changes: object) -> Record:
    return Record.model_validate(make_record(accuracy=0.75, **changes))


def test_the_plan_counts_runs_and_estimates_the_time() -> None:
    text = shown([PLANNED])
    assert "tiny: 4 runs, 1 of them finished" in text
    assert "norms  BN, GN(4)" in text
    assert "seeds  0, 1" in text
    assert "cpu, 2 processes of 1 thread, fp32" in text
    assert "about 3 min for 3 runs" in text
    assert "a note" in text


def test_piped_there_is_a_line_for_each_run_that_ended() -> None:
    events = [
        happened(1, Step(0, 3, 6, 100.0)),
        happened(1, EpochDone({"test_accuracy": 0.5})),
        happened(2, Logged("a warning")),
        Waiting(ORDERS[3:]),
        Waiting(ORDERS[3:]),
        happened(1, Unfinished("interrupted", "")),
        happened(1, Finished(record())),
        happened(2, Finished(Record.model_validate(make_diverged("gn")))),
        happened(3, Unfinished("failed", "a reason")),
        Stopping(),
    ]
    assert shown([PLANNED, *events, Trained()]).partition("a note\n")[2].splitlines() == [
        "GN(4) seed 0: a warning",
        "waiting for 1 run that another process trains",
        "1/3  BN seed 1  test 75.00%  loss 0.620  0 s",
        "2/3  GN(4) seed 0  diverged, recorded as such",
        "3/3  GN(4) seed 1  failed: a reason",
        "stopping: each run finishes its step and keeps a checkpoint (Ctrl-C again: at once)",
    ]


def test_on_a_terminal_bars_show_all_runs_and_each_that_trains() -> None:
    text = shown([PLANNED, happened(1, Step(1, 3, 6, 1234.0))], is_terminal=True)
    assert "all runs" in text
    assert "0/3 runs, about" in text
    assert "BN seed 1" in text
    assert "epoch 2/2  1,234 images/s" in text


def test_a_narrow_terminal_cuts_notes_and_not_the_time() -> None:
    planned = Planned("tiny", PLAN, ("train.optimizer.momentum", "train.optimizer.weight_decay"), "", trains=True)
    text = shown([planned, happened(2, Step(1, 3, 6, 123_456.0))], is_terminal=True, width=80)
    lines = [line.rstrip() for line in text.splitlines() if "GN(4) seed 0" in line]
    assert lines
    assert all("0:00:0" in line and len(line) <= 80 for line in lines)


def test_quiet_shows_nothing() -> None:
    assert shown([PLANNED, happened(1, Finished(record()))], quiet=True) == ""


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(1.4, "1 s"), (89, "89 s"), (90, "2 min"), (5_300, "88 min"), (5_400, "1 h 30 min"), (12_000, "3 h 20 min")],
)
def test_a_duration_is_rounded_as_an_estimate(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_title_has_the_swept_values() -> None:
    title = run_title(("norm", "norm.num_groups", "train.batch_size", "train.optimizer.lr"))
    assert title(CONFIGS[2]) == f"GN(4) seed 0, batch_size 64, lr {CONFIGS[2].train.optimizer.options['lr']:g}"
