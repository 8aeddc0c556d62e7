"""Reads the files of a run and checks them against its record; what is wrong with one is a sentence that names it."""

import csv
import io
import math
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from normbench.errors import DataError, NormbenchError
from normbench.files import open_regular, read_regular
from normbench.runs.epochs import check_rows
from normbench.runs.folder import RunFolder, decisions_file, sweep_file, tuning_file
from normbench.runs.record import Record
from normbench.runs.schema import Flaw, Parsed, parse
from normbench.runs.sweep_records import Decisions, Sweep, Tuning
from normbench.text import printable, shortened

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_BYTES = 2**23
"""Of a text file in a run's folder; a larger file is not ours and is refused."""
MAX_UNPACKED_BYTES = 2**27
"""Of the predictions; those of CIFAR-10 unpack to 280 kB."""

Epoch = dict[str, float]
"""A row of `metrics.csv`, by column."""


class RecordError(NormbenchError):
    """A file of a run is missing, damaged or has another form; the message names the file and what is wrong."""

    exit_code = 3


class AnotherRun(RecordError):
    """A folder was renamed: the record in it is whole, and of a run that belongs elsewhere."""


class Contradiction(RecordError):
    """Two files of one run disagree, so that neither can be trusted."""


class NoPredictions(RecordError):
    """The run has no `predictions.npz`: the file stays on the machine that made the run."""


def read_record(folder: RunFolder) -> Record:
    """The run's `run.json`.

    Raises RecordError: no record, not JSON, another schema, a key missing or of the wrong type, control characters.
    """
    try:
        return _read_json(folder.record, Record)
    except FileNotFoundError as error:
        raise RecordError(f"{printable(folder.record)}: no record, the run is not finished") from error


def finished_record(folder: RunFolder, fingerprint: str | None = None) -> Record:
    """The record of a finished run, which must be the run of this folder.

    `fingerprint` is that of today's data; None skips the comparison. Raises RecordError for a record that is damaged or
    another run's, DataError for a run that was finished on other data.
    """
    try:
        record = read_record(folder)
        if record.run_id != folder.path.name:
            other = printable(shortened(record.run_id))
            raise AnotherRun(
                f"{printable(folder.record)}: is the record of another run, {other}: give the folder that name again, "
                "or name another --results"
            )
    except AnotherRun:
        raise
    except RecordError as error:
        again = f"remove {folder.path}, or give train --restart, and the same command makes the run anew"
        raise RecordError(f"{error}; {again}") from error
    before = record.data.fingerprint
    if fingerprint is not None and before != fingerprint:
        raise DataError(
            f"{folder.path}: this run was finished on other data (fingerprint {before[:12]}, now {fingerprint[:12]}): "
            "give the same data again, or train it anew with normbench train --restart, or train on these data with "
            "another --results"
        )
    return record


def read_sweep(experiment: Path) -> Sweep | None:
    """The `sweep.json` in an experiment's folder; None without one. Raises RecordError for a damaged file."""
    return read_document(sweep_file(experiment), Sweep)


def read_tuning(experiment: Path) -> Tuning | None:
    """The `tuning.json` in an experiment's folder; None without one. Raises RecordError for a damaged file."""
    return read_document(tuning_file(experiment), Tuning)


def read_decisions(experiment: Path) -> Decisions | None:
    """The `decisions.json` in an experiment's folder; None without one. Raises RecordError for a damaged file."""
    return read_document(decisions_file(experiment), Decisions)


def read_document(path: Path, model: type[Parsed]) -> Parsed | None:
    """The document in a file; None without the file. Raises RecordError for a damaged file."""
    with suppress(FileNotFoundError):
        return _read_json(path, model)
    return None


def read_epochs(folder: RunFolder, record: Record) -> list[Epoch]:
    """The rows of a finished run's `metrics.csv`, one an epoch.

    Raises RecordError: missing, or not a table of numbers that are possible; Contradiction if the last row and the
    record differ.
    """
    where, rows = printable(folder.metrics), rows_so_far(folder)
    expected = record.num_epochs
    if not rows or (expected is not None and len(rows) != expected):
        raise RecordError(f"{where}: {len(rows)} epochs, the run has {expected}")
    try:
        check_rows(rows)
    except ValueError as error:
        raise RecordError(f"{where}: {error}") from error
    _check_last_epoch(rows[-1], record, where)
    return rows


def rows_so_far(folder: RunFolder) -> list[Epoch]:
    """The rows of `metrics.csv` of a run that may still train. Raises RecordError: missing, or no table of numbers."""
    where = printable(folder.metrics)
    try:
        return _numbers(_text(folder.metrics))
    except OSError as error:
        raise RecordError(f"{where}: cannot be read ({error.strerror})") from error
    except (ValueError, csv.Error) as error:
        raise RecordError(f"{where}: not a table of numbers ({printable(error)})") from error


def read_predictions(folder: RunFolder, record: Record) -> "tuple[NDArray[np.int64], NDArray[np.float64]]":
    """Labels [N] and logits [N, classes] of the evaluated images of a finished run.

    Raises NoPredictions without a file; RecordError: damaged, or not labels and finite logits of the same images;
    Contradiction if the record has another number of images or of wrong ones.
    """
    import numpy as np

    where = printable(folder.predictions)
    try:
        labels, logits = _arrays(folder.predictions)
    except FileNotFoundError as error:
        raise NoPredictions(f"{where}: no such file; predictions are kept where the run was made") from error
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


def _text(path: Path) -> str:
    """The text of a file, without the mark (BOM) that editors and spreadsheets put before it."""
    return read_regular(path, MAX_BYTES).decode("utf-8-sig")


def _numbers(text: str) -> list[Epoch]:
    """The rows by column. Raises ValueError or csv.Error. Not csv.DictReader, which takes twice the time."""
    header, *rows = [line for line in csv.reader(io.StringIO(text, newline="")) if line] or [[]]
    if uneven := {len(row) for row in rows} - {len(header)}:
        raise ValueError(f"{len(header)} columns, and a row of {min(uneven)}")
    return [dict(zip(header, map(float, row), strict=True)) for row in rows]


def _read_json(path: Path, model: type[Parsed]) -> Parsed:
    """Raises FileNotFoundError; RecordError for all else that is wrong with the file."""
    where = printable(path)
    try:
        return parse(model, _text(path))
    except FileNotFoundError:
        raise
    except OSError as error:
        raise RecordError(f"{where}: cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise RecordError(f"{where}: not valid JSON ({printable(error)})") from error
    except (Flaw, OverflowError) as flaw:
        raise RecordError(f"{where}: {printable(flaw)}") from flaw


def _arrays(path: Path) -> "tuple[NDArray[Any], NDArray[Any]]":
    import numpy as np

    # opened here: np.load leaves a file open that turns out not to be an archive
    with open_regular(path) as file:
        if os.fstat(file.fileno()).st_size > MAX_UNPACKED_BYTES:
            raise ValueError(f"it is larger than {MAX_UNPACKED_BYTES:,} bytes")
        with np.load(file, allow_pickle=False) as arrays:
            unpacked = sum(member.file_size for member in arrays.zip.infolist())
            if unpacked > MAX_UNPACKED_BYTES:
                raise ValueError(f"it unpacks to {unpacked:,} bytes")
            return np.asarray(arrays["labels"]), np.asarray(arrays["logits"])


def _check_last_epoch(row: Mapping[str, float], record: Record, where: str) -> None:
    recorded = record.metrics_by_key
    for name, value in row.items():
        said = recorded.get(name)
        if said is not None and not math.isclose(said, value, rel_tol=2e-5, abs_tol=1e-9):  # six digits are written
            raise Contradiction(
                f"{where}: contradicts the run's record: {name} is {value} after the last epoch, {said} there"
            )


def _check_predictions(
    labels: "NDArray[np.integer]", logits: "NDArray[np.floating]", record: Record, where: str
) -> None:
    num_images, num_classes = logits.shape
    num_wrong = int((logits.argmax(axis=1) != labels).sum())
    errors = record.metrics.held_out.errors if record.metrics else 0
    num_eval, classes = record.data.num_eval, len(record.data.classes) or num_classes
    if (errors, num_eval, classes) != (num_wrong, num_images, num_classes):
        raise Contradiction(
            f"{where}: contradicts the run's record: {num_wrong:,} of {num_images:,} images of {num_classes} classes "
            f"are wrong here, {errors:,} of {num_eval:,} of {classes} there"
        )
