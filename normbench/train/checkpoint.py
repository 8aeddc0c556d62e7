"""An unfinished run in bytes: weights, optimizer, position, and the epochs so far. Loads without executing code."""

import hashlib
import io
import pickle
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn, optim

from normbench.train.loop import Position

_DIGEST = hashlib.sha256  # at the end of the bytes: torch reads over a changed bit of a weight


@dataclass(frozen=True)
class Checkpoint:
    model: dict[str, Any]
    optimizer: dict[str, Any]
    position: Position
    precision: str
    fingerprint: str
    """Of the data trained on."""
    rows: list[dict[str, float]]
    """The finished epochs, as in `metrics.csv`."""
    environments: list[dict[str, Any]]
    """What it was trained in so far, one after the other; where nothing changed there is one."""


class CheckpointError(Exception):
    """The bytes are not a whole checkpoint of this version."""


def to_bytes(checkpoint: Checkpoint) -> bytes:
    buffer = io.BytesIO()
    torch.save(vars(checkpoint) | {"position": vars(checkpoint.position)}, buffer)
    content = buffer.getvalue()
    return content + _DIGEST(content).digest()


def from_bytes(content: bytes, device: torch.device) -> Checkpoint:
    """Raises CheckpointError for anything but a whole checkpoint; `weights_only` keeps pickles from running code."""
    size = _DIGEST().digest_size
    content, digest = content[:-size], content[-size:]
    if _DIGEST(content).digest() != digest:
        raise CheckpointError("cut off, changed, or written by another version of normbench")
    try:
        loaded = torch.load(io.BytesIO(content), map_location=device, weights_only=True)
        return Checkpoint(**loaded | {"position": Position(**loaded["position"])})
    except (RuntimeError, EOFError, pickle.UnpicklingError, KeyError, TypeError, ValueError, OSError) as error:
        raise CheckpointError(str(error).splitlines()[0] if str(error) else type(error).__name__) from error


def fits(checkpoint: Checkpoint, model: nn.Module, optimizer: optim.Optimizer) -> bool:
    """Whether its weights and its optimizer's groups are those of `model` and `optimizer`."""
    return _shapes(checkpoint.model) == _shapes(model.state_dict()) and _groups(checkpoint.optimizer) == _groups(
        optimizer.state_dict()
    )


def _shapes(state: dict[str, Any]) -> dict[str, Any]:
    return {name: getattr(value, "shape", None) for name, value in state.items()}


def _groups(state: dict[str, Any]) -> list[tuple[set[str], int]]:
    return [(set(group), len(group["params"])) for group in state["param_groups"]]
