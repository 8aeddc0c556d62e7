"""Checkpoints for tests."""

from torch import nn, optim

from normbench.train.checkpoint import Checkpoint
from normbench.train.loop import Position


def make_checkpoint(model: nn.Module, optimizer: optim.Optimizer, position: Position) -> Checkpoint:
    """A run's checkpoint after a step; the weights are a copy."""
    return Checkpoint(
        model={name: tensor.clone() for name, tensor in model.state_dict().items()},
        optimizer=optimizer.state_dict(),
        position=position,
        precision="fp32",
        run="run",
        fingerprint="data",
        rows=[],
        environments=[{"threads": 1}],
    )
