"""The removal of a run: its own files, and nothing else."""

from contextlib import suppress
from pathlib import Path

from filelock import Timeout

from normbench.errors import RunError, cannot_write
from normbench.files import half_written
from normbench.locks import LEASE, LOCK
from normbench.runs.folder import RunFolder
from normbench.runs.read import RecordError, read_record
from normbench.runs.unfinished import is_made_by_normbench
from normbench.text import printable


def files_of(folder: RunFolder) -> list[Path]:
    """The files in the run's folder that normbench wrote, the record first; empty for a folder without a run."""
    if not is_made_by_normbench(folder) and not _has_record(folder):
        return []
    own = [*folder.outputs(), *folder.only_while_unfinished]
    return [file for file in (*own, *half_written(folder.path)) if file.is_file() and not file.is_symlink()]


def _has_record(folder: RunFolder) -> bool:
    with suppress(RecordError):
        read_record(folder)
        return True
    return False


def remove_run(folder: RunFolder) -> list[Path]:
    """Removes the run; returns what stayed in its folder, because normbench did not write it.

    Raises RunError if another process trains the run, ConfigError for a folder that is a link or cannot be written.
    """
    try:
        with folder.held():
            for file in files_of(folder):
                try:
                    file.unlink(missing_ok=True)
                except OSError as error:
                    raise cannot_write(file, error) from error
    except Timeout as error:
        raise RunError(f"{printable(folder.path)}: another process is training this run; stop it first") from error
    left = [path for path in folder.path.iterdir() if path.name not in (LOCK, LEASE)]
    if not left:
        with suppress(OSError):  # a process that waits for the lock has made it again
            (folder.path / LOCK).unlink(missing_ok=True)
            folder.path.rmdir()
    return left
