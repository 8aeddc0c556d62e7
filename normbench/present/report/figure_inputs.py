"""What the figures of a comparison are drawn from: the epochs, predictions and images behind its runs."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from normbench.analysis.compare.compare import Comparison
from normbench.analysis.compare.rows import NormRow
from normbench.analysis.compare.select import runs
from normbench.analysis.stats.confusion import truth_probability
from normbench.errors import NormbenchError
from normbench.plots.disagreement import NormPredictions
from normbench.runs.folder import RecordError, RunFolder
from normbench.runs.read import read_epochs, read_predictions
from normbench.text import printable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


Rows = Sequence[dict[str, float]]
Say = Callable[[str], None]


def epochs_of(row: NormRow, split: str) -> tuple[list[Rows], list[str]]:
    """The whole curves of a norm's finished runs, and why others are missing."""
    found: list[Rows] = []
    missing = []
    for record in row.records:
        folder = RunFolder(record["folder"])
        try:
            epochs = read_epochs(folder, record)
        except RecordError as error:
            missing.append(str(error))
            continue
        columns = {"epoch", "train_loss", "train_accuracy", f"{split}_loss", f"{split}_accuracy"}
        if not columns <= set(epochs[0]):
            missing.append(f"{printable(folder.metrics)}: no column {', '.join(sorted(columns - set(epochs[0])))}")
        else:
            found.append(epochs)
    return found, missing


def predictions_of(
    label: str, row: NormRow, labels: "NDArray[np.int64] | None"
) -> tuple[NormPredictions | None, "NDArray[np.int64] | None", list[str]]:
    """A norm's predictions (None without any), the labels they are held against, and why runs are missing.

    `labels` are those of the norms before, None for the first: all runs of a comparison saw the same images.
    """
    import numpy as np

    classes, truths, missing = [], [], []
    for record in row.records:
        folder = RunFolder(record["folder"])
        try:
            own, logits = read_predictions(folder, record)
        except RecordError as error:
            missing.append(str(error))
            continue
        if labels is None and len(own) == record["data"]["num_eval"]:
            labels = own
        if labels is None or not np.array_equal(labels, own):
            missing.append(f"{printable(folder.predictions)}: its labels are not those of the images of the comparison")
            continue
        classes.append(logits.argmax(axis=1))
        truths.append(truth_probability(logits, labels))
    found = NormPredictions(label, np.stack(classes), np.mean(truths, axis=0)) if classes else None
    return found, labels, missing


def images_of(comparison: Comparison, labels: "NDArray[np.int64]", say: Say) -> "NDArray[np.uint8] | str":
    """The evaluated images [N, 3, H, W], or why they cannot be had. `labels` [N] are those of the predictions.

    They come from where the runs' config says, as for training; they must be the very images the runs saw.
    """
    import numpy as np

    from normbench.config import DataConfig
    from normbench.data import hold_out, load_dataset

    configs = [record["config"].get("data") for row in comparison.rows for record in row.records]
    places = [config["dir"] for config in configs if isinstance(config, dict) and isinstance(config.get("dir"), str)]
    try:
        dataset = load_dataset(DataConfig(source=comparison.source, dir=places[0] if places else None), say)
        if dataset.fingerprint != comparison.fingerprint:
            ours, theirs = dataset.fingerprint[:8], comparison.fingerprint[:8]
            return f"the images here have fingerprint {ours}, those of the runs {theirs}"
        split = dataset.test
        if comparison.split == "val":
            _, split = hold_out(dataset.train, comparison.num_eval)
    except NormbenchError as error:
        return f"the images are not at hand: {error}"
    if not np.array_equal(split.labels.numpy(), labels):
        return "the labels of the images are not those of the predictions"
    images: NDArray[np.uint8] = split.images.numpy()
    return images


def class_names(comparison: Comparison, least: int) -> list[str]:
    """As the records name them, or `least` numbers where they do not."""
    for row in comparison.rows:
        for record in row.records:
            names: list[str] = record["data"].get("classes", [])
            if len(names) >= least:
                return names
    return [str(number) for number in range(least)]


def few(reasons: Sequence[str], most: int = 2) -> str:
    """The first reasons, and how many more there are."""
    more = len(reasons) - most
    return "; ".join(reasons[:most]) + (f"; and {runs(more)} more" if more > 0 else "")
