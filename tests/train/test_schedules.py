"""Schedules against torch's own, and against values worked by hand."""

import pytest
import torch
from torch import nn

from normbench.errors import ConfigError
from normbench.train.schedules import SCHEDULES, linear, step


def test_step_is_torchs_step_lr() -> None:
    optimizer = torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=1.0)
    theirs = torch.optim.lr_scheduler.StepLR(optimizer, step_size=8, gamma=0.1)
    ours = step(step_size=8, gamma=0.1)
    for epoch in range(20):
        for number in (0, 4):
            assert ours(epoch * 5 + number, 5, 100) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-12)
        optimizer.step()
        theirs.step()


def test_linear_warms_up_and_ends_near_zero() -> None:
    factors = [linear(warmup=0.2)(number, 10, 10) for number in range(10)]
    assert factors == pytest.approx([1 / 2, 1, 1, 7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8])


def test_linear_without_warmup() -> None:
    assert [linear(warmup=0.0)(number, 4, 4) for number in range(4)] == [1, 0.75, 0.5, 0.25]


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_factor_lies_above_zero_and_at_most_one(name: str) -> None:
    schedule = SCHEDULES[name]()
    factors = [schedule(number, 7, 140) for number in range(140)]
    assert all(0 < factor <= 1 for factor in factors)
    assert max(factors) == 1


@pytest.mark.parametrize("bad", [lambda: linear(warmup=1.0), lambda: linear(warmup=-0.1), lambda: step(step_size=0)])
def test_bad_options_are_config_errors(bad) -> None:
    with pytest.raises(ConfigError, match=r"train\.schedule"):
        bad()
