"""A run that is over already: its record is the answer, if it was trained on the data that are there now."""

from collections.abc import Mapping
from typing import Any

from normbench.errors import DataError
from normbench.runs.folder import RecordError, RunFolder, read_record


def finished_record(folder: RunFolder, fingerprint: str | None) -> dict[str, Any]:
    """The record of a finished run. `fingerprint` is that of the data there are now; None where nobody can tell.

    Raises RecordError with a way out for a damaged one, DataError as `check_same_data` does.
    """
    try:
        record = read_record(folder)
    except RecordError as error:
        raise RecordError(f"{error}; normbench train --restart makes the run anew") from error
    if fingerprint is not None:
        check_same_data(folder, record, fingerprint)
    return record


def check_same_data(folder: RunFolder, record: Mapping[str, Any], fingerprint: str) -> None:
    """Raises DataError if the run was finished on other data than the fingerprint tells."""
    before = record["data"]["fingerprint"]
    if before != fingerprint:
        raise DataError(
            f"{folder.path}: this run was finished on other data (fingerprint {before[:12]}, now {fingerprint[:12]}): "
            "give the same data again, or train it anew with normbench train --restart, or train on these data with "
            "another --results"
        )
