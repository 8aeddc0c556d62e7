"""Epochs and seconds to an accuracy, as a table."""

from collections.abc import Sequence

from normbench.analysis.compare.compare import Comparison
from normbench.analysis.compare.time_to import TimeTo
from normbench.present.tables.along import Along
from normbench.present.tables.table import NOT_KNOWN, Table

NEVER = "never"


def time_to_table(comparison: Comparison, found: Sequence[TimeTo], percent: float) -> Table:
    """One row per norm: the number of runs that reached `percent` % accuracy, and their median epochs and seconds."""
    along = Along(comparison.key)
    return Table(
        title=f"To {percent:g} % {comparison.split} accuracy",
        columns=("Norm", *along.columns, "Reached", "Epochs", "Train s"),
        rows=tuple(
            (
                of_norm.label,
                *along.cells(of_norm.by),
                f"{of_norm.reached} of {of_norm.n}",
                _median(of_norm, of_norm.median_epochs),
                _median(of_norm, of_norm.median_train_s),
            )
            for of_norm in found
        ),
        records=tuple(
            {
                "norm": of_norm.label,
                **along.record(of_norm.by),
                "accuracy": percent / 100,
                "n": of_norm.n,
                "reached": of_norm.reached,
                "median_epochs": of_norm.median_epochs,
                "median_train_s": of_norm.median_train_s,
            }
            for of_norm in found
        ),
        notes=(
            f"Epochs, Train s: medians over all runs of a norm, one that never gets there or diverges counting as "
            f"longer than any. The first epoch at or above {percent:g} % describes the way; the result is the last "
            "epoch.",
        ),
    )


def _median(of_norm: TimeTo, value: float | None) -> str:
    if of_norm.n == 0:
        return NOT_KNOWN
    return NEVER if value is None else f"{value:,.4g}"
