"""Epochs and seconds of training until an accuracy is reached, from the epochs in each run's `metrics.csv`."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from normbench.analysis.compare.rows import NormRow
from normbench.analysis.compare.run import Run
from normbench.analysis.stats.pairs import By
from normbench.runs.read import RecordError
from normbench.text import printable


@dataclass(frozen=True)
class TimeTo:
    """Of a norm's `n` runs, `reached` got to the accuracy. The medians are over all n; None means never.

    `epochs` and `train_s` have one value a run that reached the accuracy, by seed.
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

    Seconds are those of training without evaluation, summed up to that epoch. A run that never reaches the accuracy, or
    diverged, counts as never: a median is a number only where more than half of the runs reach it. Runs whose epochs
    cannot be read are in no count, and named in the notes.
    """
    found, notes = [], []
    for row in rows:
        epochs: dict[int, int] = {}
        seconds: dict[int, float] = {}
        n = len(row.diverged_seeds)
        for seed, run in zip(row.seeds, row.finished, strict=True):
            try:
                reached = _reached(run, accuracy, split)
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


def _reached(run: Run, accuracy: float, split: str) -> tuple[int, float] | None:
    """The first epoch, from 1, and the seconds up to its end. Raises RecordError."""
    if isinstance(run.epochs, RecordError):
        raise run.epochs
    train_s = 0.0
    for row in run.epochs:
        try:
            train_s += row["train_s"]
            if row[f"{split}_accuracy"] >= accuracy:
                return int(row["epoch"]), train_s
        except KeyError as error:
            raise RecordError(f"{printable(run.folder.metrics)}: there is no column {error}") from error
    return None


def _median(reached: Sequence[float], n: int) -> float | None:
    if n == 0:
        return None
    middle = statistics.median([*reached, *[math.inf] * (n - len(reached))])
    return middle if math.isfinite(middle) else None
