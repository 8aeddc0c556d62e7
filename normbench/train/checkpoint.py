"""An unfinished run in bytes: weights, optimizer, position, and the epochs so far. Loads without executing code."""

import hashlib
import io
from dataclasses import dataclass
from typing import Any

import torch

from normbench.train.loop import Position

_NOT_OURS = "cut off, changed, or written by another version of normbench"
_DIGEST = hashlib.sha256  # at the end of the bytes: torch reads over a changed bit of a weight


@dataclass(frozen=True)
class Checkpoint:
    model: dict[str, Any]
    optimizer: dict[str, Any]
    position: Position
    precision: str
    run: str
    """Which it belongs to: other runs may have weights of the same shapes."""
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
    return sealed(buffer.getvalue())


def sealed(content: bytes) -> bytes:
    """With its digest, which tells whether every bit is as it was; it is no signature."""
    return content + _DIGEST(content).digest()


def from_bytes(content: bytes, device: torch.device) -> Checkpoint:
    """Raises CheckpointError for anything but a whole checkpoint; `weights_only` keeps pickles from running code."""
    size = _DIGEST().digest_size
    inner = content[:-size]
    if sealed(inner) != content:
        raise CheckpointError(_NOT_OURS)
    try:
        loaded = torch.load(io.BytesIO(inner), map_location=device, weights_only=True)
        if set(loaded) != set(Checkpoint.__dataclass_fields__):
            raise CheckpointError(_NOT_OURS)
        return Checkpoint(**loaded | {"position": Position(**loaded["position"])})
    except Exception as error:  # a crafted file may raise anything at all
        raise CheckpointError(str(error).splitlines()[0] if str(error) else type(error).__name__) from error
