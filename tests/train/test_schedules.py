"""Schedules against torch's own, over whole runs, and against values worked by hand."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler

from normbench.errors import ConfigError
from normbench.train.schedules import SCHEDULES, Moment, Schedule

EPOCHS, STEPS = 20, 7
BASES = (0.1, 0.004)  # of two parameter groups, as muon has them
VAL_LOSSES = [2.0, 1.5, 1.5, 1.6, 1.4999, 1.49, 1.5, 1.5, 1.5, 1.2, 1.3, 1.3, 1.3, 1.3, 1.3, 1.3, 1.3, 1.1, 1.2, 1.2]


def of_torch(by_step: bool, make: Callable[[torch.optim.Optimizer], Any], watched: list[float]) -> list[list[float]]:
    """The lr of each group at each step of a run with PyTorch's scheduler."""
    groups = [{"params": nn.Linear(1, 1).parameters(), "lr": base} for base in BASES]
    optimizer = torch.optim.SGD(groups)
    scheduler = make(optimizer)
    found = []
    for epoch in range(EPOCHS):
        for _ in range(STEPS):
            found.append([group["lr"] for group in optimizer.param_groups])
            optimizer.step()
            if by_step:
                scheduler.step()
        if not by_step:
            scheduler.step(*watched[epoch : epoch + 1])
    return found


def of_ours(schedule: Schedule, watched: list[float] = []) -> list[list[float]]:  # noqa: B006
    """Likewise with a schedule, which knows of each step what was watched before it."""
    moments = [Moment(step, STEPS, EPOCHS, watched[: step // STEPS]) for step in range(EPOCHS * STEPS)]
    return [[schedule.lr(base, moment) for base in BASES] for moment in moments]


ALL = EPOCHS * STEPS
BY_EPOCH = [
    ("step", {"step_size": 8, "gamma": 0.1}, lr_scheduler.StepLR),
    ("multistep", {"milestones": (12, 3, 3), "gamma": 0.3}, lr_scheduler.MultiStepLR),
    ("exponential", {"gamma": 0.93}, lr_scheduler.ExponentialLR),
    ("cosine", {"T_max": EPOCHS, "eta_min": 0.001}, lr_scheduler.CosineAnnealingLR),
    ("cosine", {"T_max": 6}, lr_scheduler.CosineAnnealingLR),
]
BY_STEP = [
    ("cosine", {"T_max": ALL, "eta_min": 0.001}, lr_scheduler.CosineAnnealingLR),
    ("onecycle", {}, lr_scheduler.OneCycleLR),
    ("onecycle", {"pct_start": 0.0, "anneal_strategy": "linear", "div_factor": 5.0}, lr_scheduler.OneCycleLR),
    ("onecycle", {"pct_start": 0.4, "three_phase": True, "final_div_factor": 50.0}, lr_scheduler.OneCycleLR),
    ("onecycle", {"pct_start": 0.9}, lr_scheduler.OneCycleLR),
]
WATCHING = [
    ("plateau", options | {"factor": 0.5}, lr_scheduler.ReduceLROnPlateau)
    for options in (
        {"patience": 1},
        {"patience": 0, "cooldown": 3, "min_lr": 0.001},
        {"patience": 2, "threshold": 0.05, "threshold_mode": "abs"},
        {"patience": 1, "mode": "max", "threshold": 0.01},
        {"patience": 0, "mode": "max", "threshold": 0.1, "threshold_mode": "abs", "eps": 0.001},
    )
]


@pytest.mark.parametrize(("name", "options", "theirs"), [*BY_EPOCH, *BY_STEP, *WATCHING])
def test_every_lr_of_a_run_is_torchs(name: str, options: dict[str, Any], theirs: type[Any]) -> None:
    by_step, watched = (name, options, theirs) in BY_STEP, VAL_LOSSES if name == "plateau" else []
    own = {"max_lr": list(BASES), "total_steps": ALL, "cycle_momentum": False} if name == "onecycle" else {}
    expected = of_torch(by_step, lambda optimizer: theirs(optimizer, **options, **own), watched)
    also = {"interval": "step"} if name == "cosine" and by_step else {}
    found = of_ours(SCHEDULES[name](**options, **also), watched)
    found_lrs, expected_lrs = (torch.tensor(lrs, dtype=torch.float64) for lrs in (found, expected))
    torch.testing.assert_close(found_lrs, expected_lrs, rtol=1e-9, atol=1e-12)
    assert len({tuple(lrs) for lrs in found}) > 2


def test_linear_warms_up_and_ends_near_zero() -> None:
    linear = SCHEDULES["linear"](warmup=0.2)
    factors = [linear.lr(1.0, Moment(number, 10, 1)) for number in range(10)]
    assert factors == pytest.approx([1 / 2, 1, 1, 7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8])


def test_linear_without_warmup() -> None:
    linear = SCHEDULES["linear"](warmup=0.0)
    assert [linear.lr(1.0, Moment(number, 4, 1)) for number in range(4)] == [1, 0.75, 0.5, 0.25]


def test_the_cosine_warms_up_and_ends_with_the_run() -> None:
    cosine = SCHEDULES["cosine"](warmup=0.5, interval="step")
    factors = [cosine.lr(1.0, Moment(number, 8, 1)) for number in range(8)]
    assert factors == pytest.approx([0.25, 0.5, 0.75, 1, 1, 0.85355339, 0.5, 0.14644661])


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize(("steps_per_epoch", "epochs"), [(7, 20), (1, 1), (2, 3)])
def test_every_lr_is_above_zero_and_at_most_the_base(name: str, steps_per_epoch: int, epochs: int) -> None:
    schedule = SCHEDULES[name]()
    lrs = [schedule.lr(0.1, Moment(step, steps_per_epoch, epochs)) for step in range(steps_per_epoch * epochs)]
    assert all(0 < lr <= 0.1 for lr in lrs)


def test_growth_beyond_all_numbers_is_infinite() -> None:
    assert SCHEDULES["exponential"](gamma=1e300).lr(1.0, Moment(5, 1, 9)) == float("inf")


BAD: list[tuple[str, dict[str, Any]]] = [
    ("linear", {"warmup": 1.0}),
    ("linear", {"warmup": -0.1}),
    ("step", {"step_size": 0}),
    ("multistep", {"milestones": (0, 3)}),
    ("exponential", {"gamma": 0.0}),
    ("cosine", {"T_max": 0}),
    ("onecycle", {"div_factor": 0.0}),
    ("onecycle", {"pct_start": 1.5}),
    ("plateau", {"factor": 1.0}),
    ("plateau", {"patience": -1}),
]


@pytest.mark.parametrize(("name", "options"), BAD)
def test_an_option_out_of_its_range_is_named(name: str, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=rf"^train\.schedule\.{next(iter(options))} must be"):
        SCHEDULES[name](**options)
