"""An unfinished run in bytes: weights, optimizer, position, and the epochs so far.

The format is safetensors: the tensors, with the rest as JSON in the metadata. It unpacks to no more than the file, its
tensors do not share memory, and it cannot hold code.
"""

import hashlib
import json
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import AfterValidator, Field
from safetensors import SafetensorError
from safetensors.torch import save
from torch import Tensor, nn, optim

from normbench.data.tensor_bytes import tensors_in
from normbench.runs.epochs import Row
from normbench.runs.schema import (
    MAX_ENVIRONMENTS,
    Document,
    Facts,
    Flaw,
    Number,
    Part,
    Seconds,
    Whole,
    flaw,
    parse,
)
from normbench.train.loop import Position
from normbench.train.machine import sum_dtype

MAX_THREADS = 4096
_OTHER_VERSION = "cut off, changed, or written by another version of normbench"
_DIGEST = hashlib.sha256  # at the end of the bytes: safetensors does not see a changed bit of a weight
_MODEL, _OPTIMIZER = "model.", "optimizer."  # beginnings of the names of tensors


class CheckpointError(Exception):
    """The bytes are not a whole checkpoint of this version, or not one that the run can go on from."""


@dataclass(frozen=True)
class Checkpoint:
    """All that a run needs to go on after a step, with the same bits."""

    model: dict[str, Tensor]
    optimizer: dict[str, Any]
    """As `torch.optim.Optimizer.state_dict` returns it."""
    position: Position
    precision: str
    engine: str
    run: str
    """The run's id: other runs may have weights of the same shapes."""
    fingerprint: str
    """Of the data trained on."""
    rows: Sequence[Row]
    """The finished epochs, as in `metrics.csv`."""
    environments: Sequence[dict[str, Any]]
    """What the run was trained in, one after the other; one where nothing changed."""


def _with_threads(environment: dict[str, Any]) -> dict[str, Any]:
    threads = environment.get("threads")  # the run goes on with as many
    if not isinstance(threads, int) or not 1 <= threads <= MAX_THREADS:
        raise flaw(f"not a number of threads from 1 to {MAX_THREADS}", "threads")
    return environment


class _Position(Part):
    """`train.loop.Position`, its sums as numbers."""

    epoch: Whole
    step: Whole
    loss_sum: Number
    num_correct: Whole
    train_s: Seconds


class _Text(Document):
    """The JSON in a checkpoint. `groups` and `values` are what an optimizer keeps besides tensors."""

    run: str
    fingerprint: str
    precision: Literal["fp32", "bf16"]
    engine: Literal["kernels", "eager", "compile"] = "kernels"
    position: _Position
    rows: Annotated[list[dict[str, Number]], Field(strict=True)]
    environments: Annotated[
        list[Annotated[Facts, AfterValidator(_with_threads)]], Field(min_length=1, max_length=MAX_ENVIRONMENTS)
    ]
    groups: list[dict[str, Any]]
    values: dict[str, dict[str, Number | None]]

    way_back: ClassVar[str] = "begin the run anew"


def to_bytes(checkpoint: Checkpoint) -> bytes:
    """The checkpoint with a digest of its bytes."""
    state, position = checkpoint.optimizer["state"], checkpoint.position
    tensors = {f"{_MODEL}{name}": tensor for name, tensor in checkpoint.model.items()}
    values: dict[str, dict[str, Any]] = {}
    for index, kept in state.items():
        for name, value in kept.items():
            if isinstance(value, Tensor):
                tensors[f"{_OPTIMIZER}{index}.{name}"] = value
            else:
                values.setdefault(str(index), {})[name] = value
    sums = {"loss_sum": position.loss_sum.item(), "num_correct": int(position.num_correct.item())}
    text = {
        "schema_version": _Text.model_fields["schema_version"].default,
        **{name: getattr(checkpoint, name) for name in ("run", "fingerprint", "precision", "engine")},
        "position": {"epoch": position.epoch, "step": position.step, **sums, "train_s": position.train_s},
        "rows": list(checkpoint.rows),
        "environments": list(checkpoint.environments),
        "groups": checkpoint.optimizer["param_groups"],
        "values": values,
    }
    own = {
        # a copy: in a wide network, a run's tensors are views into those of all runs
        name: tensor.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)
        for name, tensor in tensors.items()
    }
    return sealed(save(own, {"text": json.dumps(text, allow_nan=False)}))


def sealed(content: bytes) -> bytes:
    """`content` and its digest, which shows whether a bit has changed; the digest is no signature."""
    return content + _DIGEST(content).digest()


def from_bytes(content: bytes, device: torch.device) -> Checkpoint:
    """The checkpoint, its tensors on `device`. Raises CheckpointError for anything but one of this version."""
    inner = content[: -_DIGEST().digest_size]
    if sealed(inner) != content:
        raise CheckpointError(_OTHER_VERSION)
    try:
        found, metadata = tensors_in(inner)
        tensors = {name: tensor.to(device) for name, tensor in found.items()}
        text = parse(_Text, metadata["text"])
        state = _optimizer_state(tensors, text.values)
    except Flaw as error:
        raise CheckpointError(str(error)) from error
    except (SafetensorError, ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        raise CheckpointError(_OTHER_VERSION) from error
    at = text.position
    return Checkpoint(
        model={name.removeprefix(_MODEL): tensor for name, tensor in tensors.items() if name.startswith(_MODEL)},
        optimizer={"state": state, "param_groups": text.groups},
        position=Position(
            epoch=at.epoch,
            step=at.step,
            loss_sum=torch.tensor(at.loss_sum, dtype=sum_dtype(device), device=device),
            num_correct=torch.tensor(at.num_correct, device=device),
            train_s=at.train_s,
        ),
        precision=text.precision,
        engine=text.engine,
        run=text.run,
        fingerprint=text.fingerprint,
        rows=text.rows,
        environments=text.environments,
    )


def load_into(checkpoint: Checkpoint, model: nn.Module, optimizer: optim.Optimizer) -> None:
    """Gives `model` and `optimizer` the checkpoint's values; `check_fits` must have passed it.

    Of the optimizer's options only lr is taken over; the others are the run's. A tensor that it keeps gets the memory
    layout of its parameter, which decides the order of sums. One that is missing for some parameters begins at zero:
    fused optimizers take all or none.
    """
    model.load_state_dict(checkpoint.model)
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    state = {
        index: {name: _laid_out_as(parameters[index], value) for name, value in kept.items()}
        for index, kept in checkpoint.optimizer["state"].items()
    }
    if state:
        for index, kept in state_after_a_step(optimizer).items():
            for name, value in kept.items():
                if isinstance(value, Tensor):
                    state.setdefault(index, {}).setdefault(name, torch.zeros_like(value))
    kept_groups = checkpoint.optimizer["param_groups"]
    groups = [
        {**own, "lr": kept["lr"]} for own, kept in zip(optimizer.state_dict()["param_groups"], kept_groups, strict=True)
    ]
    optimizer.load_state_dict({"state": state, "param_groups": groups})


def state_after_a_step(optimizer: optim.Optimizer) -> dict[int, dict[str, Any]]:
    """By the index of the parameter, what the optimizer keeps once it has taken a step: found out on a copy."""
    copied = deepcopy(optimizer)
    parameters = [parameter for group in copied.param_groups for parameter in group["params"]]
    for parameter in parameters:
        parameter.grad = torch.zeros_like(parameter)
    copied.step()
    kept: dict[int, dict[str, Any]] = copied.state_dict()["state"]
    return {index: kept.get(index, {}) for index in range(len(parameters))}


def _laid_out_as(parameter: Tensor, value: Any) -> Any:
    if isinstance(value, Tensor) and value.shape == parameter.shape:
        return torch.empty_like(parameter, dtype=value.dtype, requires_grad=False).copy_(value)
    return value


def _optimizer_state(tensors: dict[str, Tensor], values: dict[str, dict[str, Any]]) -> dict[int, dict[str, Any]]:
    """What the optimizer keeps of each parameter. Raises ValueError for a name without a number."""
    state: dict[int, dict[str, Any]] = {int(index): dict(kept) for index, kept in values.items()}
    for name, tensor in tensors.items():
        if name.startswith(_OPTIMIZER):
            index, _, key = name.removeprefix(_OPTIMIZER).partition(".")
            state.setdefault(int(index), {})[key] = tensor
    return state
