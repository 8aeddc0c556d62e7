"""A run that is over already: its record is the answer, if it was trained on the data that are there now."""

from typing import Any

from normbench.errors import DataError
from normbench.runs.folder import RecordError, RunFolder, read_record
from normbench.text import printable, shortened


def finished_record(folder: RunFolder, fingerprint: str | None = None) -> dict[str, Any]:
    """The record of a finished run. `fingerprint` is that of the data there are now; None where nobody asks.

    Raises RecordError for a record that is damaged or another run's, DataError for a run finished on other data.
    """
    try:
        record = read_record(folder)
        if record["run_id"] != folder.path.name:
            other = printable(shortened(record["run_id"]))
            raise RecordError(f"{printable(folder.record)}: is the record of another run, {other}")
    except RecordError as error:
        again = f"remove {folder.path}, or give train --restart, and the same command makes the run anew"
        raise RecordError(f"{error}; {again}") from error
    before = record["data"]["fingerprint"]
    if fingerprint is not None and before != fingerprint:
        raise DataError(
            f"{folder.path}: this run was finished on other data (fingerprint {before[:12]}, now {fingerprint[:12]}): "
            "give the same data again, or train it anew with normbench train --restart, or train on these data with "
            "another --results"
        )
    return record
