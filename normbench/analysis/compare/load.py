"""Folders -> runs; what cannot be read is named, never a crash."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from normbench.analysis.compare.run import Run
from normbench.runs.folder import RunFolder, Survey, survey
from normbench.runs.read import Contradiction, Epoch, RecordError, read_epochs, read_record
from normbench.runs.record import Record
from normbench.runs.unfinished import is_made_by_normbench
from normbench.text import listed, plural, printable

MOST_NAMED = 5
"""Folders of one kind: a thousand unfinished runs should not bury the table."""


@dataclass(frozen=True)
class Loaded:
    """The runs in or below some paths, diverged ones included, and notes on all folders without a good record.

    `published`: there were none but those that a project publishes, in these folders (`runs.folder.PUBLISHED`).
    """

    runs: list[Run]
    notes: list[str]
    published: tuple[Path, ...] = ()


def load_runs(paths: Sequence[Path]) -> Loaded:
    """The runs in or below `paths`; where there are none, the published ones."""
    found = survey(paths)
    own = _load(found)
    if own.runs or not found.published:
        return own
    return replace(_load(survey(found.published)), notes=own.notes, published=tuple(found.published))


def _load(found: Survey) -> Loaded:
    runs: list[Run] = []
    unfinished, damaged = [], []
    foreign = [printable(path) for path in found.foreign]
    for folder in found.runs:
        try:
            record = read_record(folder)
            runs.append(Run(record, folder, _epochs(folder, record)))
        except RecordError as error:
            if not _is_missing(folder.record):
                damaged.append(str(error))
            elif is_made_by_normbench(folder):
                unfinished.append(printable(folder.path))
            else:
                foreign.append(printable(folder.path))
    notes = []
    if unfinished:
        names = f"{plural(len(unfinished), 'run')}: {listed(unfinished, MOST_NAMED)}"
        notes.append(f"unfinished, left out: {names}; the command that began one goes on with it")
    notes += [f"left out: {error}" for error in damaged[:MOST_NAMED]]
    if len(damaged) > MOST_NAMED:
        notes.append(f"left out: {len(damaged) - MOST_NAMED:,} more records that cannot be read")
    if foreign:
        notes.append(f"no run of normbench in: {listed(foreign, MOST_NAMED)}")
    return Loaded(runs, notes)


def _epochs(folder: RunFolder, record: Record) -> Sequence[Epoch] | RecordError:
    """The rows of `metrics.csv`; an error as a value, because most tables need no epochs. Raises Contradiction."""
    if record.metrics is None:
        return ()
    try:
        return read_epochs(folder, record)
    except Contradiction:
        raise
    except RecordError as error:
        return error


def _is_missing(record: Path) -> bool:
    try:
        return not record.exists()
    except OSError:  # not allowed to look
        return False
