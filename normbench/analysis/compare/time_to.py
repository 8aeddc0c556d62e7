"""Epochs and seconds of training until a test accuracy is reached, from the epochs that runs wrote down."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from normbench.analysis.compare.rows import By, NormRow
from normbench.analysis.compare.select import Record
from normbench.runs.folder import RecordError, RunFolder
from normbench.runs.read import read_epochs
from normbench.text import printable


@dataclass(frozen=True)
class TimeTo:
    """Of `n` runs of a norm `reached` got to the accuracy. The medians are over all n; None means never.

    `epochs` and `train_s` hold one value a run that reached it, by seed.
    """

    label: str
    by: By
    n: int
    reached: int
    median_epochs: float | None
    median_train_s: float | None
    epochs: dict[int, int]
    train_s: dict[int, float]


def time_to(rows: Sequence[NormRow], accuracy: float, split: str) -> tuple[list[TimeTo], list[str]]:
    """For each row: the first epoch whose test (or val) accuracy is at least `accuracy`, a fraction.

    Seconds are those of training, evaluation left out, summed up to that epoch. A run that never reaches it, or
    diverged, counts as never: a median is a number only where more than half of the runs reach it. Runs whose
    epochs cannot be read are in no count, and named in the notes.
    """
    found, notes = [], []
    for row in rows:
        epochs: dict[int, int] = {}
        seconds: dict[int, float] = {}
        n = len(row.diverged_seeds)
        for seed, record in zip(row.seeds, row.records, strict=True):
            try:
                reached = _reached(record, accuracy, split)
            except RecordError as error:
                notes.append(f"left out: {error}")
                continue
            n += 1
            if reached:
                epochs[seed], seconds[seed] = reached
        found.append(
            TimeTo(
                label=row.label,
                by=row.by,
                n=n,
                reached=len(epochs),
                median_epochs=_median([*epochs.values()], n),
                median_train_s=_median([*seconds.values()], n),
                epochs=epochs,
                train_s=seconds,
            )
        )
    return found, notes


def _reached(record: Record, accuracy: float, split: str) -> tuple[int, float] | None:
    folder = RunFolder(record["folder"])
    train_s = 0.0
    for row in read_epochs(folder, record):
        try:
            train_s += row["train_s"]
            if row[f"{split}_accuracy"] >= accuracy:
                return int(row["epoch"]), train_s
        except KeyError as error:
            raise RecordError(f"{printable(folder.metrics)}: there is no column {error}") from error
    return None


def _median(reached: Sequence[float], n: int) -> float | None:
    if n == 0:
        return None
    middle = statistics.median([*reached, *[math.inf] * (n - len(reached))])
    return middle if math.isfinite(middle) else None
