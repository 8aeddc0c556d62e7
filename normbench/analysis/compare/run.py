"""A run as a comparison takes it: the record, and what else was read of the folder."""

from collections.abc import Sequence
from dataclasses import dataclass

from normbench.analysis.compare.predictions import Predictions
from normbench.runs.folder import RunFolder
from normbench.runs.read import Epoch, RecordError
from normbench.runs.record import Record


@dataclass(frozen=True)
class Run:
    """A finished or diverged run.

    `epochs` are the rows of `metrics.csv`, or why they cannot be read; empty for a run that diverged. `predictions` is
    None until a comparison needs them (`load.compare_runs`).
    """

    record: Record
    folder: RunFolder
    epochs: Sequence[Epoch] | RecordError = ()
    predictions: Predictions | RecordError | None = None
