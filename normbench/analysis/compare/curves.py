"""The curves of a norm's runs: metrics epoch by epoch."""

from collections.abc import Sequence

from normbench.analysis.compare.rows import NormRow
from normbench.runs.read import Epoch, RecordError
from normbench.text import printable

Curves = Sequence[Epoch]
"""A run's epochs."""


def curves_of(row: NormRow, split: str) -> tuple[list[Curves], list[str]]:
    """The whole curves of a norm's finished runs, and why others are missing."""
    columns = {"epoch", "train_loss", "train_accuracy", f"{split}_loss", f"{split}_accuracy"}
    found: list[Curves] = []
    missing = []
    for run in row.finished:
        if isinstance(run.epochs, RecordError):
            missing.append(str(run.epochs))
        elif absent := columns - set(run.epochs[0]):
            missing.append(f"{printable(run.folder.metrics)}: no column {', '.join(sorted(absent))}")
        else:
            found.append(run.epochs)
    return found, missing
