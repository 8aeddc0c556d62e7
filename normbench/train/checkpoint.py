"""An unfinished run in bytes: weights, optimizer, position, and the epochs so far. Loads without executing code."""

import hashlib
import io
from collections.abc import Collection, Mapping
from typing import Annotated, Any

import torch
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor, nn, optim

from normbench.train.loop import Position, steps_per_epoch

MAX_THREADS = 4096
MAX_NUMBER = 2**63  # a whole number without bound may not fit a float
_OTHER_VERSION = "cut off, changed, or written by another version of normbench"
_DIGEST = hashlib.sha256  # at the end of the bytes: torch does not see a changed bit of a weight
_SCHEDULED = "lr"  # the only option of an optimizer that changes from step to step


class CheckpointError(Exception):
    """The bytes are not a whole checkpoint of this version, or not one that the run can go on from."""


def _printable(text: str) -> str:
    if not text.isprintable():  # it goes into the record as it is
        raise ValueError("control characters")
    return text


def _with_threads(environment: dict[str, Any]) -> dict[str, Any]:
    threads = environment.get("threads")  # the run goes on with as many
    if not isinstance(threads, int) or not 1 <= threads <= MAX_THREADS:
        raise ValueError("no number of threads")
    return environment


def _with_counts(position: Position) -> Position:
    counts = (position.epoch, position.step)
    if not all(type(count) is int and 0 <= count < MAX_NUMBER for count in counts) or not _is_finite(position.train_s):
        raise ValueError("no counts")
    if position.train_s < 0 or not all(isinstance(sum_, Tensor) for sum_ in (position.loss_sum, position.num_correct)):
        raise ValueError("no sums")
    return position


def _with_groups(optimizer: dict[str, Any]) -> dict[str, Any]:
    groups, state = optimizer.get("param_groups"), optimizer.get("state")
    if len(optimizer) != 2 or not isinstance(groups, list) or not isinstance(state, dict):
        raise ValueError("no groups or no state")
    if not all(isinstance(part, dict) for part in (*groups, *state.values())):
        raise ValueError("no options or no values")
    return optimizer


_Number = Annotated[int, Field(gt=-MAX_NUMBER, lt=MAX_NUMBER)] | Annotated[float, Field(allow_inf_nan=False)]
_Fact = None | int | Annotated[str, AfterValidator(_printable)]


class Checkpoint(BaseModel):
    """All that a run needs to go on after a step, with the same bits."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", arbitrary_types_allowed=True)

    model: dict[str, Any]
    optimizer: Annotated[dict[str, Any], AfterValidator(_with_groups)]
    """As `torch.optim.Optimizer.state_dict` returns it."""
    position: Annotated[Position, AfterValidator(_with_counts)]
    precision: Annotated[str, Field(pattern="^(fp32|bf16)$")]
    run: str
    """The run's id: other runs may have weights of the same shapes."""
    fingerprint: str
    """Of the data trained on."""
    rows: list[dict[str, _Number]]
    """The finished epochs, as in `metrics.csv`."""
    environments: Annotated[list[Annotated[dict[str, _Fact], AfterValidator(_with_threads)]], Field(min_length=1)]
    """What the run was trained in, one after the other; one where nothing changed."""


def to_bytes(checkpoint: Checkpoint) -> bytes:
    """The checkpoint with a digest of its bytes."""
    buffer = io.BytesIO()
    torch.save(dict(checkpoint) | {"position": vars(checkpoint.position)}, buffer)
    return sealed(buffer.getvalue())


def sealed(content: bytes) -> bytes:
    """`content` and its digest, which shows whether a bit has changed; the digest is no signature."""
    return content + _DIGEST(content).digest()


def from_bytes(content: bytes, device: torch.device) -> Checkpoint:
    """The checkpoint, its tensors on `device`. `weights_only` keeps pickles from running code.

    Raises CheckpointError for anything but a whole checkpoint of this version.
    """
    size = _DIGEST().digest_size
    inner = content[:-size]
    if sealed(inner) != content:
        raise CheckpointError(_OTHER_VERSION)
    try:
        loaded = torch.load(io.BytesIO(inner), map_location=device, weights_only=True)
        if set(loaded) != set(Checkpoint.model_fields):
            raise CheckpointError(_OTHER_VERSION)
        return Checkpoint(**loaded | {"position": Position(**loaded["position"])})
    except ValidationError as error:
        raise CheckpointError(f"its {error.errors(include_input=False)[0]['loc'][0]} is malformed") from error
    except Exception as error:  # a crafted file may raise anything at all
        raise CheckpointError(str(error).splitlines()[0] if str(error) else type(error).__name__) from error


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
    _check_model(checkpoint.model, model)
    _check_optimizer(checkpoint.optimizer, optimizer)
    _check_position(checkpoint.position, epochs, steps_per_epoch(num_images, batch_size), num_images)
    if len(checkpoint.rows) != checkpoint.position.epoch:
        raise CheckpointError(f"it holds {len(checkpoint.rows)} rows for {checkpoint.position.epoch} epochs")
    if any(set(row) != set(columns) for row in checkpoint.rows):
        raise CheckpointError("a row has other columns than metrics.csv")


def _check_model(state: Mapping[str, Any], model: nn.Module) -> None:
    expected = model.state_dict()
    if set(state) != set(expected):
        raise CheckpointError("its weights are those of another network")
    for name, tensor in expected.items():  # a layer from outside may keep something other than tensors besides
        if isinstance(tensor, Tensor) and not _is_like(state[name], tensor):
            raise CheckpointError(f"its {name} is not a tensor of shape {list(tensor.shape)} and {tensor.dtype}")


def _check_optimizer(state: Mapping[str, Any], optimizer: optim.Optimizer) -> None:
    """Compares the options with the run's: `load_state_dict` would take over any.

    By their text, as a tensor without values cannot be compared.
    """
    groups, expected = state["param_groups"], optimizer.state_dict()["param_groups"]
    if len(groups) != len(expected):
        raise CheckpointError("its optimizer has other groups")
    for group, wanted in zip(groups, expected, strict=True):
        if set(group) != set(wanted):
            raise CheckpointError("its optimizer has other options")
        for key, value in wanted.items():
            found = group[key]
            if not (_is_finite(found) if key == _SCHEDULED else repr(found) == repr(value)):
                raise CheckpointError(f"its optimizer has {key} {str(found)[:20]}, the run {value}")
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for index, values in state["state"].items():
        if index not in range(len(parameters)):
            raise CheckpointError("its optimizer keeps a state of other parameters")
        if not all(_fits_parameter(value, parameters[index]) for value in values.values()):
            raise CheckpointError("its optimizer keeps a state that fits no parameter")


def _check_position(position: Position, epochs: int, num_steps: int, num_images: int) -> None:
    is_in_run = position.epoch < epochs and position.step <= num_steps
    if not is_in_run and (position.epoch, position.step) != (epochs, 0):
        raise CheckpointError(f"its position, epoch {position.epoch} and step {position.step}, is outside of the run")
    for name, dtype in (("loss_sum", torch.float64), ("num_correct", torch.int64)):
        if not _is_like(getattr(position, name), torch.zeros((), dtype=dtype)):
            raise CheckpointError(f"its {name} is not a scalar of {dtype}")
    if not position.loss_sum.isfinite() or not 0 <= position.num_correct.item() <= num_images:
        raise CheckpointError("its loss_sum or num_correct is not that of a part of an epoch")


def _fits_parameter(value: Any, parameter: Tensor) -> bool:
    """Whether an optimizer's value has an element for each of the parameter's, or is one for all of them."""
    if isinstance(value, Tensor):
        return _is_like(value, parameter) or (value.dim() == 0 and _is_dense(value))
    return value is None or _is_finite(value)


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < MAX_NUMBER  # not NaN


def _is_like(found: Any, tensor: Tensor) -> bool:
    is_tensor = isinstance(found, Tensor)
    return is_tensor and found.shape == tensor.shape and found.dtype == tensor.dtype and _is_dense(found)


def _is_dense(tensor: Tensor) -> bool:
    """Whether in-place additions to the tensor work: it is strided, has values, and no two elements share memory."""
    if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_meta or tensor.requires_grad:
        return False
    taken = 1  # elements spanned by the axes so far, the innermost first
    for stride, size in sorted(zip(tensor.stride(), tensor.shape, strict=True)):
        if size > 1:
            if stride < taken:
                return False
            taken = stride * size
    return True
