"""What a checkpoint must be before training goes on from it."""

import io
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn, optim

from normbench.runs.outputs import columns
from normbench.train.checkpoint import Checkpoint, CheckpointError, check_fits, from_bytes, sealed, to_bytes
from normbench.train.loop import Position, set_base_lr
from normbench.train.optimizers.registry import OPTIMIZERS
from tests.checkpoints import make_checkpoint

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
    return make_checkpoint(model, optimizer, position).model_copy(update={"rows": [dict(ROW)]})


Content = dict[str, Any]
"""What is in a checkpoint's file."""


def content_of(checkpoint: Checkpoint) -> Content:
    content: Content = torch.load(io.BytesIO(to_bytes(checkpoint)), weights_only=True)
    return content


def read(content: Content, name: str = "sgd") -> Checkpoint:
    """The checkpoint of a file with that content, if the run can go on from it."""
    file = io.BytesIO()
    torch.save(content, file)
    checkpoint = from_bytes(sealed(file.getvalue()), CPU)
    model, optimizer = build(name)
    check_fits(checkpoint, model, optimizer, epochs=3, batch_size=8, num_images=20, columns=columns("test"))
    return checkpoint


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_one_of_this_run_passes(name: str) -> None:
    checkpoint = trained(name)
    assert read(content_of(checkpoint), name).rows == checkpoint.rows
    at_the_end = {"position": vars(Position.start_of(3, CPU)), "rows": [ROW] * 3}
    read(content_of(checkpoint) | at_the_end, name)


def test_one_of_an_older_version_is_called_that() -> None:
    content = content_of(trained())
    del content["run"]
    with pytest.raises(CheckpointError, match="written by another version of normbench"):
        read(content)


@pytest.mark.parametrize("stored", [lambda w: w.to(memory_format=torch.channels_last), lambda w: w.mT.contiguous().mT])
def test_how_a_tensor_is_stored_does_not_matter(stored: Callable[[torch.Tensor], torch.Tensor]) -> None:
    content = content_of(trained())
    content["model"]["0.weight"] = stored(content["model"]["0.weight"])
    read(content)


Fault = Callable[[Content], object]
"""Changes the content."""


def but(**changes: Any) -> Fault:
    return lambda content: content.update(changes)


def position(**changes: Any) -> Fault:
    return lambda content: content["position"].update(changes)


def weights(change: Callable[[dict[str, Any]], object]) -> Fault:
    return lambda content: change(content["model"])


def weight(tensor: Any) -> Fault:
    return weights(lambda state: state.update({"0.weight": tensor}))


def state(change: Callable[[dict[str, Any]], object]) -> Fault:
    return lambda content: change(content["optimizer"])


def group(**changes: Any) -> Fault:
    return state(lambda kept: kept["param_groups"][0].update(changes))


def momentum(tensor: Any) -> Fault:
    return state(lambda kept: kept["state"][0].update(momentum_buffer=tensor))


FAULTS: dict[str, Fault] = {
    "precision": but(precision="fp8"),
    "model of no kind": but(model=torch.zeros(3)),
    "weight missing": weights(lambda state: state.pop("0.weight")),
    "weight too many": weights(lambda state: state.update(more=torch.zeros(1))),
    "weight of another shape": weight(torch.zeros(3, 3, 3, 1)),
    "weight of another type": weight(torch.zeros(3, 3, 3, 3, dtype=torch.float64)),
    "weight that is text": weight("0"),
    "sparse weight": weight(torch.zeros(3, 3, 3, 3).to_sparse()),
    "weight without values": weight(torch.zeros(3, 3, 3, 3, device="meta")),
    "optimizer of no kind": but(optimizer=[]),
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
    "step after the last epoch": lambda content: content.update(
        position=content["position"] | {"epoch": 3}, rows=[ROW] * 3
    ),
    "loss of no kind": position(loss_sum=0.0),
    "loss of several numbers": position(loss_sum=torch.zeros(2, dtype=torch.float64)),
    "loss that is not finite": position(loss_sum=torch.tensor(float("nan"), dtype=torch.float64)),
    "loss with a gradient": position(loss_sum=torch.zeros((), dtype=torch.float64, requires_grad=True)),
    "more correct than images": position(num_correct=torch.tensor(21)),
    "time below 0": position(train_s=-1.0),
    "time that is not a number": position(train_s=float("nan")),
    "row missing": but(rows=[]),
    "rows of no kind": but(rows={0: ROW}),
    "row of another split": but(rows=[dict.fromkeys(columns("val"), 0.5)]),
    "row with text": but(rows=[ROW | {"lr": "=1+1"}]),
    "no environment": but(environments=[]),
    "environment of no kind": but(environments=["cpu"]),
    "environment with a list": but(environments=[{"threads": 1, "cpu": []}]),
    "environment that steers a terminal": but(environments=[{"threads": 1, "cpu": "\x1b[2J"}]),
    "no threads": but(environments=[{"threads": 0}]),
    "threads without end": but(environments=[{"threads": 10**9}]),
    "row with a number without end": but(rows=[ROW | {"lr": 10**400}]),
    "row that is not finite": but(rows=[ROW | {"lr": float("inf")}]),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_anything_else_is_refused(fault: str) -> None:
    content = deepcopy(content_of(trained()))
    FAULTS[fault](content)
    with pytest.raises(CheckpointError) as caught:
        read(content)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[: len(content) // 2],
        lambda content: content[:-1000] + bytes([content[-1000] ^ 1]) + content[-999:],
        lambda content: b"not a checkpoint at all",
        lambda content: sealed(b"not a checkpoint at all"),
    ],
)
def test_a_damaged_file_is_refused(damage: Callable[[bytes], bytes]) -> None:
    with pytest.raises(CheckpointError):
        from_bytes(damage(to_bytes(trained())), CPU)


class Evil:
    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (str(self.file), "w")


def test_a_checkpoint_does_not_execute_code(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    torch.save({"model": Evil(tmp_path / "ran")}, buffer)
    with pytest.raises(CheckpointError):
        from_bytes(sealed(buffer.getvalue()), CPU)
    assert not (tmp_path / "ran").exists()
