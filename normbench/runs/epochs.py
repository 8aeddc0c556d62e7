"""The epochs of a run in numbers: the columns of `metrics.csv`, and what may stand in each. Imports no torch."""

from collections.abc import Iterable, Mapping

from normbench.runs.schema import MAX_LOSS, MAX_SECONDS

Row = dict[str, float]
"""A row of `metrics.csv`: an epoch's numbers by column."""

METRICS = ("loss", "accuracy")
"""Of each epoch: attributes of `train.evaluate.Metrics`, a column each for the training and the held-out images."""

_MOST = {
    "epoch": 1e6,
    "lr": MAX_LOSS,
    "train_s": MAX_SECONDS,
    "eval_s": MAX_SECONDS,
    "images_per_s": 1e18,
    **{f"{images}_loss": MAX_LOSS for images in ("train", "val", "test")},
    **{f"{images}_accuracy": 1 for images in ("train", "val", "test")},
}
"""By column, the largest number that can be read back; the smallest is 0."""


def columns(*splits: str) -> tuple[str, ...]:
    """The columns of `metrics.csv`; `splits`, val, test or both, name the images that are not trained on."""
    metrics = (f"{images}_{name}" for images in ("train", *splits) for name in METRICS)
    return ("epoch", "lr", *metrics, "train_s", "eval_s", "images_per_s")


def check_rows(rows: Iterable[Mapping[str, float]]) -> None:
    """Raises ValueError unless the rows are those of the epochs 1, 2, ... and each number is possible in its column.

    Columns of another name hold any finite number.
    """
    for number, row in enumerate(rows, start=1):
        if row.get("epoch") != number:
            raise ValueError(f"row {number}: epoch is {row.get('epoch')}, not {number}")
        for column, value in row.items():
            least, most = (0, _MOST[column]) if column in _MOST else (-MAX_LOSS, MAX_LOSS)
            if not least <= value <= most:  # not NaN either
                raise ValueError(f"row {number}: {column} is {value:g}, not a number from {least:g} to {most:g}")
