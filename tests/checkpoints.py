"""Checkpoints for tests, and what is in the file of one."""

import json
from typing import Any

from safetensors.torch import load, save
from torch import Tensor, nn, optim

from normbench.runs.checkpoint import Checkpoint, sealed, to_bytes
from normbench.train.loop import Position

DIGEST_BYTES = 32


def make_checkpoint(model: nn.Module, optimizer: optim.Optimizer, position: Position) -> Checkpoint:
    """A run's checkpoint after a step; the weights are a copy."""
    return Checkpoint(
        model={name: tensor.clone() for name, tensor in model.state_dict().items()},
        optimizer=optimizer.state_dict(),
        position=position,
        precision="fp32",
        engine="kernels",
        run="run",
        fingerprint="data",
        rows=[],
        environments=[{"threads": 1}],
    )


def unpacked(content: bytes) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors in the bytes of a checkpoint, and its JSON."""
    inner = content[:-DIGEST_BYTES]
    header = json.loads(inner[8 : 8 + int.from_bytes(inner[:8], "little")])
    return load(inner), json.loads(header["__metadata__"]["text"])


def packed(tensors: dict[str, Tensor], text: dict[str, Any]) -> bytes:
    """The reverse of `unpacked`, with a digest that is right, as a stranger may make it."""
    return sealed(save(tensors, {"text": json.dumps(text)}))


def contents_of(checkpoint: Checkpoint) -> tuple[dict[str, Tensor], dict[str, Any]]:
    return unpacked(to_bytes(checkpoint))
