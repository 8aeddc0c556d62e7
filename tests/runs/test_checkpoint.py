"""What a checkpoint must be before training goes on from it."""

import io
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn, optim

from normbench.kernels.library import without_kernels
from normbench.runs.checkpoint import Checkpoint, CheckpointError, from_bytes, load_into, sealed, to_bytes
from normbench.runs.checkpoint_fit import check_fits
from normbench.runs.epochs import columns
from normbench.train.loop import Position, set_base_lr
from normbench.train.optimizers.registry import OPTIMIZERS
from tests.checkpoints import contents_of, make_checkpoint, packed

CPU = torch.device("cpu")
ROW: dict[str, Any] = dict.fromkeys(columns("test"), 0.5) | {"epoch": 1}


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
    return replace(make_checkpoint(model, optimizer, position), rows=[dict(ROW)])


@dataclass
class Content:
    """What is in a checkpoint's file: its tensors and its JSON."""

    tensors: dict[str, Tensor]
    text: dict[str, Any]


def content_of(checkpoint: Checkpoint) -> Content:
    return Content(*contents_of(checkpoint))


def read(content: Content, name: str = "sgd") -> Checkpoint:
    """The checkpoint of a file with that content, if the run can go on from it."""
    checkpoint = from_bytes(packed(content.tensors, content.text), CPU)
    model, optimizer = build(name)
    check_fits(checkpoint, model, optimizer, epochs=3, batch_size=8, num_images=20, columns=columns("test"))
    return checkpoint


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_one_of_this_run_passes(name: str) -> None:
    checkpoint = trained(name)
    assert read(content_of(checkpoint), name).rows == checkpoint.rows
    at_the_end = replace(checkpoint, position=Position.start_of(3, CPU), rows=[ROW | {"epoch": n} for n in (1, 2, 3)])
    read(content_of(at_the_end), name)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_what_is_loaded_is_what_was_kept_in_the_layout_of_the_parameters(name: str) -> None:
    checkpoint = trained(name)
    model, optimizer = build(name)
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    load_into(read(content_of(checkpoint), name), model, optimizer)
    assert all(torch.equal(tensor, checkpoint.model[key]) for key, tensor in model.state_dict().items())
    kept = checkpoint.optimizer["state"]
    for index, values in optimizer.state_dict()["state"].items():
        parameter = [parameter for group in optimizer.param_groups for parameter in group["params"]][index]
        for key, value in values.items():
            assert torch.equal(value, kept[index][key])
            assert value.stride() == parameter.stride() or value.ndim == 0  # a count of steps


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_momentum_that_is_missing_begins_at_zero(name: str) -> None:
    """PyTorch's fused step fails where some parameters have one and others have not."""
    content = content_of(trained(name))
    missing = next(key for key in content.tensors if key.startswith("optimizer.") and not key.endswith(".step"))
    del content.tensors[missing]
    model, optimizer = build(name)
    load_into(read(content, name), model, optimizer)
    model(torch.randn(2, 3, 8, 8)).sum().backward()
    with without_kernels():
        optimizer.step()


def test_one_of_an_older_version_is_called_that() -> None:
    buffer = io.BytesIO()
    torch.save({"model": trained().model}, buffer)  # as it was before the format was safetensors
    with pytest.raises(CheckpointError, match="written by another version of normbench"):
        from_bytes(sealed(buffer.getvalue()), CPU)


Fault = Callable[[Content], object]
"""Changes the content."""


def but(**changes: Any) -> Fault:
    return lambda content: content.text.update(changes)


def position(**changes: Any) -> Fault:
    return lambda content: content.text["position"].update(changes)


def weight(tensor: Tensor) -> Fault:
    return lambda content: content.tensors.update({"model.0.weight": tensor})


def group(**changes: Any) -> Fault:
    return lambda content: content.text["groups"][0].update(changes)


def kept(name: str, tensor: Tensor) -> Fault:
    return lambda content: content.tensors.update({f"optimizer.{name}": tensor})


def environment(**changes: Any) -> Fault:
    return but(environments=[{"threads": 1} | changes])


def row(**changes: Any) -> Fault:
    return but(rows=[ROW | changes])


FAULTS: dict[str, Fault] = {
    "schema": but(schema_version=2),
    "precision": but(precision="fp8"),
    "run of no kind": but(run=5),
    "run that steers a terminal": but(run="\x1b[2J"),
    "weight missing": lambda content: content.tensors.pop("model.0.weight"),
    "weight too many": lambda content: content.tensors.update({"model.more": torch.zeros(1)}),
    "weight of another shape": weight(torch.zeros(3, 3, 3, 1)),
    "weight of another type": weight(torch.zeros(3, 3, 3, 3, dtype=torch.float64)),
    "optimizer of no kind": but(groups="x"),
    "group missing": lambda content: content.text["groups"].pop(),
    "group of no kind": but(groups=["group", "group"]),
    "option missing": lambda content: content.text["groups"][0].pop("momentum"),
    "option too many": group(hook=1),
    "another weight decay": group(weight_decay=0.1),
    "another base lr": group(initial_lr=1.0),
    "option of another type": group(nesterov=1),
    "lr that is text": group(lr="0.1"),
    "lr below 0": group(lr=-1.0),
    "lr without end": group(lr=10**400),
    "other parameters": group(params=[7, 8, 9]),
    "option nested without end": group(params=json.loads("[" * 60 + "]" * 60)),
    "state of an unknown parameter": kept("99.momentum_buffer", torch.zeros(1)),
    "state of a negative parameter": kept("-1.momentum_buffer", torch.zeros(3, 3, 3, 3)),
    "state of no parameter": kept("x.momentum_buffer", torch.zeros(1)),
    "state of another name": kept("0.exp_avg", torch.zeros(3, 3, 3, 3)),
    "momentum of another shape": kept("0.momentum_buffer", torch.zeros(2)),
    "momentum without axes": kept("0.momentum_buffer", torch.zeros(())),
    "momentum of another type": kept("0.momentum_buffer", torch.zeros(3, 3, 3, 3, dtype=torch.float64)),
    "momentum that is a number": lambda content: content.text.update(
        values={"0": {"momentum_buffer": float(content.tensors.pop("optimizer.0.momentum_buffer").sum())}}
    ),
    "a number too many": but(values={"0": {"step": 1.0}}),
    "numbers of no kind": but(values=[]),
    "epoch below 0": position(epoch=-1),
    "epoch beyond the last": position(epoch=4),
    "epoch that is a bool": position(epoch=True),
    "epoch that is text": position(epoch="1"),
    "step beyond the epoch": position(step=4),
    "step that is a fraction": position(step=0.5),
    "step after the last epoch": lambda content: content.text.update(
        position=content.text["position"] | {"epoch": 3}, rows=[ROW | {"epoch": n} for n in (1, 2, 3)]
    ),
    "loss of no kind": position(loss_sum=[0.0]),
    "loss below 0": position(loss_sum=-1.0),
    "loss beyond what 8 images can have": position(loss_sum=1e300),
    "more correct than seen": position(num_correct=9),
    "sums before the first step": position(step=0, num_correct=1),
    "time below 0": position(train_s=-1.0),
    "no time": position(train_s=0.0),
    "time without end": position(train_s=1e308),
    "row missing": but(rows=[]),
    "rows of no kind": but(rows={0: ROW}),
    "row of another split": but(rows=[dict.fromkeys(columns("val"), 0.5) | {"epoch": 1}]),
    "row of another epoch": row(epoch=2),
    "row with text": row(lr="=1+1"),
    "row with a number without end": row(lr=10**400),
    "row with a loss that no network has": row(train_loss=1e308),
    "row with a loss below 0": row(test_loss=-0.1),
    "row with an accuracy above 1": row(test_accuracy=5),
    "row with a time without end": row(train_s=1e308),
    "row with a time below 0": row(eval_s=-1),
    "no environment": but(environments=[]),
    "environments without end": but(environments=[{"threads": 1}] * 1000),
    "environment of no kind": but(environments=["cpu"]),
    "environment with a list": environment(cpu=[]),
    "environment that steers a terminal": environment(cpu="\x1b[2J"),
    "environment with a key that steers a terminal": environment(**{"\x1b[2J": 1}),
    "environment with half a character": environment(**{"\ud800": 1}),
    "environment with a long key": environment(**{"k" * 10_000: 1}),
    "environment with long text": environment(cpu="x" * 10_000),
    "environment with many keys": environment(**{f"k{n}": 1 for n in range(1000)}),
    "environment with a large number": environment(cpu=10**30),
    "no threads": but(environments=[{"threads": 0}]),
    "threads without end": but(environments=[{"threads": 10**9}]),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_anything_else_is_refused(fault: str) -> None:
    content = content_of(trained())
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
