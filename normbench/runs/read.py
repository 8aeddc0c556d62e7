"""Reads what a run left behind besides its record; what is damaged is one sentence. No torch here."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from normbench.printable import printable
from normbench.regular_file import open_regular, read_regular
from normbench.runs.folder import MAX_BYTES, RecordError, RunFolder, decisions_file, refuse_constant, tuning_file
from normbench.runs.schema import Flaw, checked_decisions, checked_tuning

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_UNPACKED_BYTES = 2**30
"""Of the predictions: those of CIFAR-10 unpack to 280 kB."""


def read_epochs(folder: RunFolder) -> list[dict[str, float]]:
    """The rows of `metrics.csv`, an epoch each, by column. Raises RecordError: missing, or not a table of numbers."""
    where = printable(folder.metrics)
    try:
        text = io.StringIO(read_regular(folder.metrics, MAX_BYTES).decode(), newline="")
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(text)]
    except OSError as error:
        raise RecordError(f"{where}: cannot be read ({error.strerror})") from error
    except (ValueError, TypeError, csv.Error) as error:  # TypeError: a row shorter or longer than the header
        raise RecordError(f"{where}: not a table of numbers ({printable(error)})") from error


def read_predictions(folder: RunFolder) -> "tuple[NDArray[np.int64], NDArray[np.float64]]":
    """Labels [N] and logits [N, classes] of the evaluated images.

    Raises RecordError: missing, damaged, or not labels and finite logits of the same images.
    """
    import numpy as np

    where = printable(folder.predictions)
    try:
        # opened here: numpy leaves a file open that turns out not to be an archive
        with open_regular(folder.predictions) as file, np.load(file, allow_pickle=False) as arrays:
            unpacked = sum(member.file_size for member in arrays.zip.infolist())
            if unpacked > MAX_UNPACKED_BYTES:
                raise ValueError(f"it unpacks to {unpacked:,} bytes")
            labels, logits = np.asarray(arrays["labels"]), np.asarray(arrays["logits"])
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
    return labels.astype(np.int64), logits.astype(np.float64)


def read_tuning(experiment: Path) -> dict[str, Any] | None:
    """The `tuning.json` in an experiment's folder, checked; None where there is none. Raises RecordError: damaged."""
    return _read_checked(tuning_file(experiment), checked_tuning)


def read_decisions(experiment: Path) -> dict[str, Any] | None:
    """The `decisions.json` in an experiment's folder, checked, or None; raises as `read_tuning` does."""
    return _read_checked(decisions_file(experiment), checked_decisions)


def _read_checked(file: Path, check: Callable[[Any, str], dict[str, Any]]) -> dict[str, Any] | None:
    where = printable(file)
    try:
        text = read_regular(file, MAX_BYTES).decode()
        return check(json.loads(text, parse_constant=refuse_constant), text)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RecordError(f"{where}: cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise RecordError(f"{where}: not valid JSON ({printable(error)})") from error
    except Flaw as flaw:
        raise RecordError(f"{where}: {printable(flaw)}") from flaw
