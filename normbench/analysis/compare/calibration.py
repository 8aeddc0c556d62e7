"""Calibration and accuracy class by class, over the runs of each norm."""

from collections.abc import Sequence
from dataclasses import dataclass

from normbench.analysis.compare.predictions import Predictions
from normbench.analysis.compare.rows import NormRow
from normbench.analysis.stats.estimate import Estimate, mean_interval
from normbench.analysis.stats.metrics import NATS, PERCENT
from normbench.analysis.stats.pairs import By
from normbench.runs.read import NoPredictions
from normbench.text import listed, plural, printable

MOST_NAMED = 5


@dataclass(frozen=True)
class Calibration:
    """A norm's `n` runs whose predictions could be read. Errors and accuracies are fractions, nll is in nats.

    `per_class[i]` is the accuracy on the images of `classes[i]`; None where no image has that class.
    """

    label: str
    by: By
    n: int
    calibration_error: Estimate
    nll: Estimate
    classes: tuple[str, ...]
    per_class: tuple[Estimate | None, ...]


def calibrations(rows: Sequence[NormRow]) -> tuple[list[Calibration], list[str]]:
    """The calibration of each row, and notes on runs left out because their predictions are missing or damaged."""
    found, notes = [], []
    missing: list[str] = []
    for row in rows:
        runs: list[Predictions] = []
        for run in row.finished:
            match run.predictions:
                case Predictions():
                    runs.append(run.predictions)
                case NoPredictions():
                    missing.append(printable(run.folder.path))
                case error:
                    notes.append(f"left out: {error}")
        found.append(_calibration(row, runs))
    if missing:
        left_out = f"{plural(len(missing), 'run')}: {listed(missing, MOST_NAMED)}"
        notes.append(f"no predictions, left out: {left_out}; they stay where a run was made")
    return found, notes


def _calibration(row: NormRow, runs: Sequence[Predictions]) -> Calibration:
    classes = row.runs[0].record.data.classes
    return Calibration(
        label=row.label,
        by=row.by,
        n=len(runs),
        calibration_error=_estimate([run.calibration_error for run in runs], PERCENT.bounds),
        nll=_estimate([run.nll for run in runs], NATS.bounds),
        classes=classes,
        per_class=tuple(_over_runs([run.class_accuracies[i] for run in runs]) for i in range(len(classes))),
    )


def _estimate(values: Sequence[float], bounds: tuple[float, float]) -> Estimate:
    return (
        mean_interval(values, bounds=bounds)
        if values
        else Estimate(0, None, None, None, None, "no run with predictions")
    )


def _over_runs(values: Sequence[float | None]) -> Estimate | None:
    known = [value for value in values if value is not None]
    return _estimate(known, PERCENT.bounds) if known or not values else None
