"""Whether a run can go on from a checkpoint: each number and tensor in it is one that the run may have kept."""

import json
from collections.abc import Collection, Mapping
from typing import Any

from torch import Tensor, nn, optim

from normbench.runs.checkpoint import Checkpoint, CheckpointError, state_after_a_step
from normbench.runs.epochs import check_rows
from normbench.runs.schema import MAX_LOSS
from normbench.train.loop import Position, steps_per_epoch

LEAST_S = 1e-9  # a step takes longer; the images per second are a quotient
_SCHEDULED = "lr"  # the only option of an optimizer that changes from step to step
_BY_DEVICE = ("fused", "foreach", "capturable")  # how a step is computed: a run may go on on another device


def check_fits(
    checkpoint: Checkpoint,
    model: nn.Module,
    optimizer: optim.Optimizer,
    *,
    epochs: int,
    batch_size: int,
    num_images: int,
    columns: Collection[str],
) -> None:
    """Raises CheckpointError unless `model` and `optimizer`, as built for a run, can go on from the checkpoint.

    `num_images` are trained on in an epoch; `columns` are those of a finished epoch's row.
    """
    position, rows = checkpoint.position, checkpoint.rows
    _check_model(checkpoint.model, model)
    _check_groups(checkpoint.optimizer["param_groups"], optimizer)
    _check_state(checkpoint.optimizer["state"], optimizer)
    _check_position(position, epochs, steps_per_epoch(num_images, batch_size))
    _check_sums(position, min(position.step * batch_size, num_images))
    if len(rows) != position.epoch:
        raise CheckpointError(f"it holds {len(rows)} rows for {position.epoch} epochs")
    if any(set(row) != set(columns) for row in rows):
        raise CheckpointError("a row has other columns than metrics.csv")
    try:
        check_rows(rows)
    except ValueError as error:
        raise CheckpointError(str(error)) from error


def _check_model(state: Mapping[str, Tensor], model: nn.Module) -> None:
    expected = model.state_dict()
    if set(state) != set(expected):
        raise CheckpointError("its weights are those of another network")
    for name, tensor in expected.items():
        if not _is_like(state[name], tensor):
            raise CheckpointError(f"its {name} is not a tensor of shape {list(tensor.shape)} and {tensor.dtype}")


def _check_groups(groups: list[dict[str, Any]], optimizer: optim.Optimizer) -> None:
    """Compares the options with the run's, both as JSON: `load_state_dict` would take over any."""
    expected = json.loads(json.dumps(optimizer.state_dict()["param_groups"]))
    if len(groups) != len(expected):
        raise CheckpointError("its optimizer has other groups")
    for group, wanted in zip(groups, expected, strict=True):
        if set(group) != set(wanted):
            raise CheckpointError("its optimizer has other options")
        for key in wanted.keys() - set(_BY_DEVICE):
            found, value = group[key], wanted[key]
            is_right = _is_rate(found) if key == _SCHEDULED else type(found) is type(value) and found == value
            if not is_right:
                raise CheckpointError(f"its optimizer has {key} {found!r:.20}, the run {value}")


def _check_state(state: Mapping[int, Mapping[str, Any]], optimizer: optim.Optimizer) -> None:
    expected = state_after_a_step(optimizer)
    for index, kept in state.items():
        if index not in expected:
            raise CheckpointError("its optimizer keeps a state of other parameters")
        for name, value in kept.items():
            wanted = expected[index].get(name)
            fits = _is_like(value, wanted) if isinstance(wanted, Tensor) else type(value) is type(wanted)
            if name not in expected[index] or not fits:
                raise CheckpointError(f"its optimizer keeps a {name:.30} that does not fit its parameter")


def _check_position(position: Position, epochs: int, num_steps: int) -> None:
    is_in_run = position.epoch < epochs and position.step <= num_steps
    if not is_in_run and (position.epoch, position.step) != (epochs, 0):
        raise CheckpointError(f"its position, epoch {position.epoch} and step {position.step}, is outside of the run")


def _check_sums(position: Position, num_seen: int) -> None:
    """Raises CheckpointError unless the sums may be those over `num_seen` images, the first of the epoch."""
    loss_sum, num_correct = float(position.loss_sum), int(position.num_correct)
    if not 0 <= loss_sum <= MAX_LOSS * num_seen or num_correct > num_seen:
        raise CheckpointError("its loss_sum or num_correct is not that of the images seen in the epoch")
    if position.step and position.train_s < LEAST_S:
        raise CheckpointError(f"its train_s, {position.train_s:g}, is less than its steps can have taken")


def _is_rate(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= MAX_LOSS


def _is_like(found: Any, tensor: Tensor) -> bool:
    return isinstance(found, Tensor) and found.shape == tensor.shape and found.dtype == tensor.dtype
