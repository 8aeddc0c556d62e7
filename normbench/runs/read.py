"""Reads what a run left behind besides its record, and holds it against that; what is damaged is one sentence."""

import csv
import io
import math
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from normbench.files import open_regular, read_regular
from normbench.runs.folder import MAX_BYTES, RecordError, RunFolder, decisions_file, read_json, tuning_file
from normbench.runs.schema import checked_decisions, checked_tuning
from normbench.text import printable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_UNPACKED_BYTES = 2**27
"""Of the predictions: those of CIFAR-10 unpack to 280 kB."""


class Contradiction(RecordError):
    """Two files of one run tell different things, so that neither can be believed."""


def read_epochs(folder: RunFolder, record: Mapping[str, Any]) -> list[dict[str, float]]:
    """The rows of a finished run's `metrics.csv`, an epoch each, by column.

    Raises RecordError: missing, or not a table of numbers; Contradiction if the last row is not what the record says.
    """
    where = printable(folder.metrics)
    try:
        text = io.StringIO(read_regular(folder.metrics, MAX_BYTES).decode(), newline="")
        rows = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(text)]
    except OSError as error:
        raise RecordError(f"{where}: cannot be read ({error.strerror})") from error
    except (ValueError, TypeError, csv.Error) as error:  # TypeError: a row shorter or longer than the header
        raise RecordError(f"{where}: not a table of numbers ({printable(error)})") from error
    expected = _epochs(record)
    if not rows or (expected is not None and len(rows) != expected):
        raise RecordError(f"{where}: {len(rows)} epochs, the run has {expected}")
    if not all(math.isfinite(value) for row in rows for value in row.values()):
        raise RecordError(f"{where}: holds numbers that are not finite, and the run did not diverge")
    _check_last_epoch(rows[-1], record, where)
    return rows


def read_predictions(folder: RunFolder, record: Mapping[str, Any]) -> "tuple[NDArray[np.int64], NDArray[np.float64]]":
    """Labels [N] and logits [N, classes] of the evaluated images of a finished run.

    Raises RecordError: missing, damaged, or not labels and finite logits of the same images; Contradiction if their
    number, or that of the wrong ones, is not what the record says.
    """
    import numpy as np

    where = printable(folder.predictions)
    try:
        labels, logits = _arrays(folder.predictions)
    except FileNotFoundError as error:
        raise RecordError(f"{where}: no such file; predictions are kept where the run was made") from error
    except OSError as error:
        raise RecordError(f"{where}: cannot be read ({error.strerror or printable(error)})") from error
    except Exception as error:  # on a crafted archive zipfile and NumPy's header parser raise a dozen types
        raise RecordError(f"{where}: damaged, or not predictions of normbench ({printable(error)})") from error
    is_sound = (
        (labels.ndim, logits.ndim) == (1, 2)
        and labels.shape[0] == logits.shape[0] > 0
        and (labels.dtype.kind, logits.dtype.kind) == ("i", "f")
        and 0 <= labels.min() <= labels.max() < logits.shape[1]
        and bool(np.isfinite(logits).all())
    )
    if not is_sound:
        found = f"labels {labels.dtype} {list(labels.shape)}, logits {logits.dtype} {list(logits.shape)}"
        raise RecordError(f"{where}: expected labels [N] and finite logits [N, classes], found {found}")
    _check_predictions(labels, logits, record, where)
    return labels.astype(np.int64), logits.astype(np.float64)


def _arrays(path: Path) -> "tuple[NDArray[Any], NDArray[Any]]":
    import numpy as np

    # opened here: numpy leaves a file open that turns out not to be an archive
    with open_regular(path) as file:
        if os.fstat(file.fileno()).st_size > MAX_UNPACKED_BYTES:
            raise ValueError(f"it is larger than {MAX_UNPACKED_BYTES:,} bytes")
        with np.load(file, allow_pickle=False) as arrays:
            unpacked = sum(member.file_size for member in arrays.zip.infolist())
            if unpacked > MAX_UNPACKED_BYTES:
                raise ValueError(f"it unpacks to {unpacked:,} bytes")
            return np.asarray(arrays["labels"]), np.asarray(arrays["logits"])


def _check_predictions(
    labels: "NDArray[np.integer]", logits: "NDArray[np.floating]", record: Mapping[str, Any], where: str
) -> None:
    data = record["data"]
    num_images, num_classes = logits.shape
    num_wrong = int((logits.argmax(axis=1) != labels).sum())
    errors, num_eval = record["metrics"][f"{data['evaluated_on']}_errors"], data["num_eval"]
    classes = len(data.get("classes", ())) or num_classes
    if (errors, num_eval, classes) != (num_wrong, num_images, num_classes):
        raise Contradiction(
            f"{where}: contradicts the run's record: {num_wrong:,} of {num_images:,} images of {num_classes} classes "
            f"are wrong here, {errors:,} of {num_eval:,} of {classes} there"
        )


def _check_last_epoch(row: Mapping[str, float], record: Mapping[str, Any], where: str) -> None:
    for name, value in row.items():
        said = record["metrics"].get(name)
        if said is not None and not math.isclose(said, value, rel_tol=2e-5, abs_tol=1e-9):  # six digits are written
            raise Contradiction(
                f"{where}: contradicts the run's record: {name} is {value} after the last epoch, {said} there"
            )


def _epochs(record: Mapping[str, Any]) -> int | None:
    train = record["config"].get("train")
    epochs = train.get("epochs") if isinstance(train, dict) else None
    return epochs if isinstance(epochs, int) else None


def read_tuning(experiment: Path) -> dict[str, Any] | None:
    """The `tuning.json` in an experiment's folder, checked; None where there is none. Raises RecordError: damaged."""
    with suppress(FileNotFoundError):
        return read_json(tuning_file(experiment), checked_tuning)
    return None


def read_decisions(experiment: Path) -> dict[str, Any] | None:
    """The `decisions.json` in an experiment's folder, checked, or None; raises as `read_tuning` does."""
    with suppress(FileNotFoundError):
        return read_json(decisions_file(experiment), checked_decisions)
    return None
