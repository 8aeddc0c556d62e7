"""Reads what a run left behind besides its record; what is damaged is one sentence. No torch here."""

import csv
import json
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from normbench.runs.folder import RecordError, RunFolder, decisions_file, printable, refuse_constant, tuning_file
from normbench.runs.schema import Flaw, checked_decisions, checked_tuning

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def read_epochs(folder: RunFolder) -> list[dict[str, float]]:
    """The rows of `metrics.csv`, an epoch each, by column. Raises RecordError: missing, or not a table of numbers."""
    where = printable(folder.metrics)
    try:
        with folder.metrics.open(encoding="utf-8", newline="") as file:
            return [{name: float(text) for name, text in row.items()} for row in csv.DictReader(file)]
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
        with folder.predictions.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            labels, logits = arrays["labels"], arrays["logits"]
    except FileNotFoundError as error:
        raise RecordError(f"{where}: no such file; predictions are kept where the run was made") from error
    except OSError as error:
        raise RecordError(f"{where}: cannot be read ({error.strerror or printable(error)})") from error
    except (ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error, MemoryError) as error:
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
        text = file.read_text(encoding="utf-8")
        return check(json.loads(text, parse_constant=refuse_constant), text)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RecordError(f"{where}: cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise RecordError(f"{where}: not valid JSON ({printable(error)})") from error
    except Flaw as flaw:
        raise RecordError(f"{where}: {printable(flaw)}") from flaw
