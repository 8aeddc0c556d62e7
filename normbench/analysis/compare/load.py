"""Folders -> records; what cannot be read is named, never a crash."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from normbench.analysis.compare.compare import Comparison, Options, compare
from normbench.analysis.compare.select import MOST_NAMED, Record, named, runs, select
from normbench.analysis.compare.tuning import Tuning, tuning_from
from normbench.analysis.compare.until_decided import Decided, decided_from
from normbench.errors import ConfigError
from normbench.files import read_regular
from normbench.runs.folder import MAX_BYTES, RecordError, RunFolder, is_trial, read_record, survey
from normbench.runs.read import Contradiction, read_decisions, read_epochs, read_tuning
from normbench.text import printable


def compare_runs(
    paths: Sequence[Path], where: Sequence[str] = (), options: Options | None = None
) -> tuple[Comparison, list[str]]:
    """The comparison of the runs in or below `paths` that fit each `key=value` of `where`, and notes for the reader.

    Raises ConfigError: no such folder, no finished run, a bad `where`, runs that differ in more than norm and seed.
    """
    records, notes = load_records(paths)
    if not records:
        places = ", ".join(printable(path) for path in paths)
        raise ConfigError("\n".join([f"no finished run in {places}; make one: normbench train --norm gn", *notes]))
    chosen, without = _without_trials(select(records, where), where)
    tuning, decided, missing = _about(chosen)
    try:
        comparison, more = compare(chosen, options, tuning, decided)
    except ConfigError as refusal:  # perhaps because of what is missing
        raise ConfigError("\n".join([str(refusal), *missing])) from None
    return comparison, notes + without + missing + more


def _without_trials(records: list[Record], where: Sequence[str]) -> tuple[list[Record], list[str]]:
    """A trial on held-out images is no result beside runs on all of them, unless trials are what was asked for."""
    asked = any(text.startswith(("data.evaluate_on=", "data.evaluated_on=")) for text in where)
    kept = [record for record in records if not is_trial(record["folder"])]
    if asked or not kept or len(kept) == len(records):
        return records, []
    trials = runs(len(records) - len(kept))
    return kept, [f"left out: {trials} of a tuning, on held-out images; --where data.evaluate_on=val shows them"]


def _about(records: Sequence[Record]) -> tuple[Tuning | None, Decided | None, list[str]]:
    """What the folder of the one experiment that all runs come from says of them, and notes on what it cannot say."""
    folders = {record["folder"].parent for record in records}
    if len(folders) > 1:
        return None, None, []
    folder = folders.pop()
    tuning, decided, notes = None, None, []
    try:
        if content := read_tuning(folder):
            tuning = tuning_from(content)
    except RecordError as error:
        notes.append(f"left out: {error}; values that were tuned count as differences between the runs")
    try:
        if content := read_decisions(folder):
            decided = decided_from(content)
    except RecordError as error:
        once = "the verdicts are those of one look at the runs, and do not allow for any look before"
        notes.append(f"left out: {error}; {once}")
    return tuning, decided, notes


def load_records(paths: Sequence[Path]) -> tuple[list[dict[str, Any]], list[str]]:
    """The records in or below `paths`, diverged runs included, and notes on all folders without a good one.

    Each record also says where it lies: `record["folder"]` is a Path.
    """
    found = survey(paths)
    records: list[dict[str, Any]] = []
    unfinished, damaged = [], []
    foreign = [printable(path) for path in found.foreign]
    for folder in found.runs:
        try:
            record = read_record(folder)
            _check_last_epoch(folder, record)
            records.append(record | {"folder": folder.path})
        except RecordError as error:
            if not _is_missing(folder.record):
                damaged.append(str(error))
            elif _is_ours(folder):
                unfinished.append(printable(folder.path))
            else:
                foreign.append(printable(folder.path))
    notes = []
    if unfinished:
        way_on = "the command that began one goes on with it"
        notes.append(f"unfinished, left out: {runs(len(unfinished))}: {named(unfinished)}; {way_on}")
    notes += [f"left out: {error}" for error in damaged[:MOST_NAMED]]
    if len(damaged) > MOST_NAMED:
        notes.append(f"left out: {len(damaged) - MOST_NAMED:,} more records that cannot be read")
    if foreign:
        notes.append(f"no run of normbench in: {named(foreign)}")
    return records, notes


def _check_last_epoch(folder: RunFolder, record: Record) -> None:
    """Raises Contradiction. The epochs may be missing or damaged as long as nobody asks for them."""
    try:
        if record["status"] == "finished":
            read_epochs(folder, record)
    except Contradiction:
        raise
    except RecordError:
        return


def _is_missing(record: Path) -> bool:
    try:
        return not record.exists()
    except OSError:  # not allowed to look
        return False


def _is_ours(folder: RunFolder) -> bool:
    """Whether a folder without a record was begun by us: other tools write a config.yaml too."""
    try:
        config = read_regular(folder.config, MAX_BYTES)
    except OSError:
        return folder.checkpoint.exists()
    keys = {line.partition(b":")[0] for line in config.splitlines()}
    return {b"norm", b"train", b"seeds"} <= keys
