"""An unfinished run on disk: weights, optimizer, position, and the epochs so far. Loads without executing code."""

import io
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn, optim

from normbench.train.loop import Position


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


class CheckpointError(Exception):
    """The bytes are not a whole checkpoint of this version."""


def to_bytes(
    model: nn.Module,
    optimizer: optim.Optimizer,
    position: Position,
    precision: str,
    fingerprint: str,
    rows: list[dict[str, float]],
) -> bytes:
    buffer = io.BytesIO()
    content = {
        "model": {name: tensor.clone() for name, tensor in model.state_dict().items()},  # it may be part of a wider one
        "optimizer": optimizer.state_dict(),
        "position": vars(position),
        "precision": precision,
        "fingerprint": fingerprint,
        "rows": rows,
    }
    torch.save(content, buffer)
    return buffer.getvalue()


def from_bytes(content: bytes, device: torch.device) -> Checkpoint:
    """Raises CheckpointError for anything but a whole checkpoint; `weights_only` keeps pickles from running code."""
    try:
        loaded = torch.load(io.BytesIO(content), map_location=device, weights_only=True)
        return Checkpoint(
            model=loaded["model"],
            optimizer=loaded["optimizer"],
            position=Position(**loaded["position"]),
            precision=loaded["precision"],
            fingerprint=loaded["fingerprint"],
            rows=loaded["rows"],
        )
    except Exception as error:  # a crafted file may raise anything at all
        raise CheckpointError(str(error).splitlines()[0] if str(error) else type(error).__name__) from error
