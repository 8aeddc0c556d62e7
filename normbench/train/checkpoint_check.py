"""Whether a checkpoint can be one of this run: it comes from a file, and training goes on from whatever it says."""

import math
from collections.abc import Collection, Mapping
from typing import Any

import torch
from torch import Tensor, nn, optim

from normbench.train.checkpoint import Checkpoint, CheckpointError
from normbench.train.loop import Position, steps_per_epoch

MOST_THREADS = 4096
MOST = 2**63  # of a whole number: one without end is no float
PRECISIONS = ("fp32", "bf16")
_SCHEDULED = "lr"  # of an optimizer's options the one that changes from step to step


def check_checkpoint(
    checkpoint: Checkpoint,
    model: nn.Module,
    optimizer: optim.Optimizer,
    *,
    epochs: int,
    batch_size: int,
    num_images: int,
    columns: Collection[str],
) -> None:
    """Raises CheckpointError unless `model` and `optimizer`, as built for the run, can go on from the checkpoint.

    `num_images` are trained on in an epoch; `columns` are those of a finished epoch's row.
    """
    if checkpoint.precision not in PRECISIONS:
        raise CheckpointError("its precision is none of ours")
    _check_model(checkpoint.model, model)
    _check_optimizer(checkpoint.optimizer, optimizer)
    _check_position(checkpoint.position, epochs, batch_size, num_images)
    _check_rows(checkpoint.rows, checkpoint.position.epoch, columns)
    _check_environments(checkpoint.environments)


def _check_model(state: Any, model: nn.Module) -> None:
    expected = model.state_dict()
    if not isinstance(state, Mapping) or set(state) != set(expected):
        raise CheckpointError("its weights are those of another network")
    for name, tensor in expected.items():  # a layer of the user's may keep something else besides
        if isinstance(tensor, Tensor) and not _is_like(state[name], tensor):
            raise CheckpointError(f"its {name} is not a tensor of shape {list(tensor.shape)} and {tensor.dtype}")


def _check_optimizer(state: Any, optimizer: optim.Optimizer) -> None:
    expected = optimizer.state_dict()["param_groups"]
    if not isinstance(state, Mapping) or set(state) != {"state", "param_groups"}:
        raise CheckpointError("its optimizer has no state and groups")
    groups = state["param_groups"]
    if not isinstance(groups, list) or len(groups) != len(expected):
        raise CheckpointError("its optimizer has other groups")
    for group, wanted in zip(groups, expected, strict=True):
        if not isinstance(group, Mapping) or set(group) != set(wanted):
            raise CheckpointError("its optimizer has other options")
        for key, value in wanted.items():
            found = group[key]
            if not (_is_number(found) if key == _SCHEDULED else _is_same(found, value)):
                raise CheckpointError(f"its optimizer has {key} {str(found)[:20]}, the run {value}")
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    if not isinstance(state["state"], Mapping) or not set(state["state"]) <= set(range(len(parameters))):
        raise CheckpointError("its optimizer keeps a state of other parameters")
    for index, kept in state["state"].items():
        if not isinstance(kept, Mapping) or not all(_is_kept(value, parameters[index]) for value in kept.values()):
            raise CheckpointError("its optimizer keeps a state that fits no parameter")


def _is_same(found: Any, value: Any) -> bool:
    """Type by type: a value of another, such as a tensor without values, may not even be comparable."""
    if type(found) is not type(value):
        return False
    if isinstance(value, list | tuple):
        return len(found) == len(value) and all(map(_is_same, found, value))
    return bool(found == value)


def _is_kept(value: Any, parameter: Tensor) -> bool:
    """A number of its own for each of the parameter's, or one for all."""
    if isinstance(value, Tensor):
        return _is_like(value, parameter) or (value.dim() == 0 and _is_plain(value))
    return value is None or _is_number(value)


def _check_position(position: Position, epochs: int, batch_size: int, num_images: int) -> None:
    num_steps = steps_per_epoch(num_images, batch_size)
    if not (_is_count(position.epoch, epochs) and _is_count(position.step, num_steps)):
        raise CheckpointError(f"it stands in epoch {position.epoch!s:.20}, step {position.step!s:.20}")
    sums = ((position.loss_sum, torch.float64), (position.num_correct, torch.int64))
    if not all(_is_like(tensor, torch.zeros((), dtype=dtype)) for tensor, dtype in sums):
        raise CheckpointError("its sums are none")
    possible = math.isfinite(position.loss_sum.item()) and 0 <= position.num_correct.item() <= num_images
    at_its_end = position.epoch == epochs and position.step > 0
    if at_its_end or not possible or not _is_number(position.train_s) or position.train_s < 0:
        raise CheckpointError("its sums are not those of a part of an epoch")


def _check_rows(rows: Any, epochs_done: int, columns: Collection[str]) -> None:
    if not isinstance(rows, list) or len(rows) != epochs_done:
        raise CheckpointError(f"it holds no row for each of {epochs_done} epochs")
    for row in rows:
        if not isinstance(row, Mapping) or set(row) != set(columns) or not all(map(_is_number, row.values())):
            raise CheckpointError("a row of it is not one of an epoch")


def _check_environments(environments: Any) -> None:
    """What is in them goes into the record as it is, but for the threads, which the run goes on with."""
    if not isinstance(environments, list) or not environments:
        raise CheckpointError("it does not say what it was trained in")
    for environment in environments:
        if not isinstance(environment, dict) or not all(map(_is_fact, environment.items())):
            raise CheckpointError("what it was trained in is no list of facts")
        threads = environment.get("threads")
        if type(threads) is not int or not 1 <= threads <= MOST_THREADS:
            raise CheckpointError(f"it was trained with {threads!s:.20} threads")


def _is_fact(item: tuple[Any, Any]) -> bool:
    key, value = item
    return type(key) is str and (value is None or type(value) is int or (type(value) is str and value.isprintable()))


def _is_like(found: Any, tensor: Tensor) -> bool:
    is_tensor = isinstance(found, Tensor)
    return is_tensor and found.shape == tensor.shape and found.dtype == tensor.dtype and _is_plain(found)


def _is_plain(tensor: Tensor) -> bool:
    """It can be added to in place: neither sparse nor without values, no value stored once for several places."""
    if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_meta or tensor.requires_grad:
        return False
    taken = 1  # by the axes so far, the closest first
    for stride, size in sorted(zip(tensor.stride(), tensor.shape, strict=True)):
        if size > 1:
            if stride < taken:
                return False
            taken = stride * size
    return True


def _is_count(value: Any, most: int) -> bool:
    return type(value) is int and 0 <= value <= most


def _is_number(value: Any) -> bool:
    return (type(value) is float and math.isfinite(value)) or (type(value) is int and abs(value) < MOST)
