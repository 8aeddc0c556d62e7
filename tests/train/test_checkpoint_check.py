"""What a checkpoint must be before training goes on from it."""

import io
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn, optim

from normbench.runs.outputs import columns
from normbench.train import OPTIMIZERS
from normbench.train.checkpoint import Checkpoint, CheckpointError, from_bytes, sealed, to_bytes
from normbench.train.checkpoint_check import check_checkpoint
from normbench.train.loop import Position, set_base_lr

CPU = torch.device("cpu")
ROW = dict.fromkeys(columns("test"), 0.5)


def build(name: str = "sgd") -> tuple[nn.Module, optim.Optimizer]:
    torch.manual_seed(0)
    model = nn.Sequential(*(nn.Conv2d(3, 3, 3), nn.Conv2d(3, 3, 3), nn.BatchNorm2d(3), nn.Conv2d(3, 2, 1)))
    optimizer = OPTIMIZERS[name](model)
    set_base_lr(optimizer)
    return model, optimizer


def trained(name: str = "sgd") -> Checkpoint:
    """After a step of the second epoch."""
    model, optimizer = build(name)
    model(torch.randn(2, 3, 8, 8)).sum().backward()
    optimizer.param_groups[0]["lr"] *= 0.5  # as a schedule does
    optimizer.step()
    position = replace(Position.start_of(1, CPU), step=1, train_s=1.5)
    return Checkpoint(
        model.state_dict(), optimizer.state_dict(), position, "fp32", "run", "data", [dict(ROW)], [{"threads": 2}]
    )


def check(checkpoint: Checkpoint, name: str = "sgd") -> None:
    model, optimizer = build(name)
    check_checkpoint(checkpoint, model, optimizer, epochs=3, batch_size=8, num_images=20, columns=columns("test"))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_one_of_this_run_passes(name: str) -> None:
    check(trained(name), name)
    at_the_end = replace(trained(name), position=Position.start_of(3, CPU), rows=[ROW] * 3)
    check(at_the_end, name)


def test_one_of_an_older_version_is_called_that() -> None:
    content = torch.load(io.BytesIO(to_bytes(trained())), weights_only=True)
    del content["run"]
    older = io.BytesIO()
    torch.save(content, older)
    with pytest.raises(CheckpointError, match="written by another version of normbench"):
        from_bytes(sealed(older.getvalue()), CPU)
    assert from_bytes(to_bytes(trained()), CPU).run == "run"


@pytest.mark.parametrize("stored", [lambda w: w.to(memory_format=torch.channels_last), lambda w: w.mT.contiguous().mT])
def test_how_a_tensor_is_stored_does_not_matter(stored: Callable[[torch.Tensor], torch.Tensor]) -> None:
    checkpoint = trained()
    moved = stored(checkpoint.model["0.weight"])
    check(replace(checkpoint, model=checkpoint.model | {"0.weight": moved}))


def position(**changes: Any) -> Callable[[Checkpoint], Checkpoint]:
    return lambda checkpoint: replace(checkpoint, position=replace(checkpoint.position, **changes))


def weights(change: Callable[[dict[str, Any]], object]) -> Callable[[Checkpoint], Checkpoint]:
    def changed(checkpoint: Checkpoint) -> Checkpoint:
        state = dict(checkpoint.model)
        change(state)
        return replace(checkpoint, model=state)

    return changed


def weight(tensor: Any) -> Callable[[Checkpoint], Checkpoint]:
    return weights(lambda state: state.update({"0.weight": tensor}))


def state(change: Callable[[dict[str, Any]], object]) -> Callable[[Checkpoint], Checkpoint]:
    def changed(checkpoint: Checkpoint) -> Checkpoint:
        change(checkpoint.optimizer)
        return checkpoint

    return changed


def group(**changes: Any) -> Callable[[Checkpoint], Checkpoint]:
    return state(lambda kept: kept["param_groups"][0].update(changes))


def momentum(tensor: Any) -> Callable[[Checkpoint], Checkpoint]:
    return state(lambda kept: kept["state"][0].update(momentum_buffer=tensor))


FAULTS: dict[str, Callable[[Checkpoint], Checkpoint]] = {
    "precision": lambda checkpoint: replace(checkpoint, precision="fp8"),
    "model of no kind": lambda checkpoint: replace(checkpoint, model=torch.zeros(3)),
    "weight missing": weights(lambda state: state.pop("0.weight")),
    "weight too many": weights(lambda state: state.update(more=torch.zeros(1))),
    "weight of another shape": weight(torch.zeros(3, 3, 3, 1)),
    "weight of another type": weight(torch.zeros(3, 3, 3, 3, dtype=torch.float64)),
    "weight that is text": weight("0"),
    "sparse weight": weight(torch.zeros(3, 3, 3, 3).to_sparse()),
    "weight without values": weight(torch.zeros(3, 3, 3, 3, device="meta")),
    "optimizer of no kind": lambda checkpoint: replace(checkpoint, optimizer=[]),
    "group missing": state(lambda kept: kept["param_groups"].pop()),
    "group of no kind": state(lambda kept: kept["param_groups"].__setitem__(0, "group")),
    "option missing": state(lambda kept: kept["param_groups"][0].pop("momentum")),
    "option too many": group(hook=1),
    "option that cannot be compared": group(params=[torch.zeros((), device="meta"), 1, 2]),
    "another weight decay": group(weight_decay=0.1),
    "another base lr": group(initial_lr=1.0),
    "lr that is text": group(lr="0.1"),
    "lr that is not finite": group(lr=float("inf")),
    "other parameters": group(params=[7, 8, 9]),
    "state of an unknown parameter": state(lambda kept: kept["state"].update({99: {}})),
    "state of no kind": state(lambda kept: kept["state"].update({0: "x"})),
    "momentum of another shape": momentum(torch.zeros(2)),
    "momentum that is text": momentum("0"),
    "momentum that shares its values": momentum(torch.zeros(1, 1, 1, 1).expand(3, 3, 3, 3)),
    "momentum with a gradient": momentum(torch.zeros(3, 3, 3, 3, requires_grad=True)),
    "epoch below 0": position(epoch=-1),
    "epoch beyond the last": position(epoch=4),
    "epoch that is a bool": position(epoch=True),
    "epoch that is text": position(epoch="1"),
    "step beyond the epoch": position(step=4),
    "step that is a fraction": position(step=0.5),
    "step after the last epoch": lambda checkpoint: replace(position(epoch=3)(checkpoint), rows=[ROW] * 3),
    "loss of no kind": position(loss_sum=0.0),
    "loss of several numbers": position(loss_sum=torch.zeros(2, dtype=torch.float64)),
    "loss that is not finite": position(loss_sum=torch.tensor(float("nan"), dtype=torch.float64)),
    "loss with a gradient": position(loss_sum=torch.zeros((), dtype=torch.float64, requires_grad=True)),
    "more correct than images": position(num_correct=torch.tensor(21)),
    "time below 0": position(train_s=-1.0),
    "time that is not a number": position(train_s=float("nan")),
    "row missing": lambda checkpoint: replace(checkpoint, rows=[]),
    "rows of no kind": lambda checkpoint: replace(checkpoint, rows={0: ROW}),
    "row of another split": lambda checkpoint: replace(checkpoint, rows=[dict.fromkeys(columns("val"), 0.5)]),
    "row with text": lambda checkpoint: replace(checkpoint, rows=[ROW | {"lr": "=1+1"}]),
    "no environment": lambda checkpoint: replace(checkpoint, environments=[]),
    "environment of no kind": lambda checkpoint: replace(checkpoint, environments=["cpu"]),
    "environment with a list": lambda checkpoint: replace(checkpoint, environments=[{"threads": 1, "cpu": []}]),
    "environment that steers a terminal": lambda checkpoint: replace(
        checkpoint, environments=[{"threads": 1, "cpu": "\x1b[2J"}]
    ),
    "no threads": lambda checkpoint: replace(checkpoint, environments=[{"threads": 0}]),
    "threads without end": lambda checkpoint: replace(checkpoint, environments=[{"threads": 10**9}]),
    "row with a number without end": lambda checkpoint: replace(checkpoint, rows=[ROW | {"lr": 10**400}]),
    "row that is not finite": lambda checkpoint: replace(checkpoint, rows=[ROW | {"lr": float("inf")}]),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_anything_else_is_refused(fault: str) -> None:
    with pytest.raises(CheckpointError):
        check(FAULTS[fault](trained()))
