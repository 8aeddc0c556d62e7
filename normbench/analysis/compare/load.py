"""Folders -> runs -> a comparison; what cannot be read is named, never a crash."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from normbench.analysis.compare.compare import Comparison, Options, compare
from normbench.analysis.compare.predictions import load_predictions
from normbench.analysis.compare.rows import NormRow
from normbench.analysis.compare.run import Run
from normbench.analysis.compare.select import select
from normbench.errors import ConfigError
from normbench.files import read_regular
from normbench.runs.folder import RunFolder, is_trial, survey
from normbench.runs.read import (
    MAX_BYTES,
    Contradiction,
    Epoch,
    RecordError,
    read_decisions,
    read_epochs,
    read_record,
    read_tuning,
)
from normbench.runs.record import Record
from normbench.runs.sweep_records import Decisions, Tuning
from normbench.text import listed, plural, printable

MOST_NAMED = 5
"""Folders of one kind: a thousand unfinished runs should not bury the table."""

Need = Literal["predictions"]
"""Files of a run that only some tables and figures need. The record and the epochs are always read."""


def compare_runs(
    paths: Sequence[Path], where: Sequence[str] = (), options: Options | None = None, needs: Collection[Need] = ()
) -> tuple[Comparison, list[str]]:
    """The comparison of the runs in or below `paths` that fit each `key=value` of `where`, and notes for the reader.

    With the need `predictions`, those of each compared run are read too. Raises ConfigError: no such folder, no
    finished run, a bad `where`, runs that differ in more than norm and seed.
    """
    runs, notes = load_runs(paths)
    if not runs:
        places = ", ".join(printable(path) for path in paths)
        raise ConfigError("\n".join([f"no finished run in {places}; make one: normbench train --norm gn", *notes]))
    chosen, without = _without_trials(select(runs, where), where)
    tuning, decisions, missing = _sweep_records(chosen)
    try:
        comparison, more = compare(chosen, options, tuning, decisions)
    except ConfigError as refusal:  # an unreadable `tuning.json` may be the cause
        raise ConfigError("\n".join([str(refusal), *missing])) from None
    if "predictions" in needs:
        comparison = replace(comparison, rows=tuple(_with_predictions(row) for row in comparison.rows))
    return comparison, notes + without + missing + more


def load_runs(paths: Sequence[Path]) -> tuple[list[Run], list[str]]:
    """The runs in or below `paths`, diverged ones included, and notes on all folders without a good record."""
    found = survey(paths)
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
            elif _is_made_by_normbench(folder):
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
    return runs, notes


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


def _without_trials(runs: list[Run], where: Sequence[str]) -> tuple[list[Run], list[str]]:
    """Leaves out trials, on held-out images, beside runs on all images, unless `where` asks for trials."""
    asked = any(text.startswith(("data.evaluate_on=", "data.evaluated_on=")) for text in where)
    kept = [run for run in runs if not is_trial(run.folder.path)]
    if asked or not kept or len(kept) == len(runs):
        return runs, []
    trials = plural(len(runs) - len(kept), "run")
    return kept, [f"left out: {trials} of a tuning, on held-out images; --where data.evaluate_on=val shows them"]


def _sweep_records(runs: Sequence[Run]) -> tuple[Tuning | None, Decisions | None, list[str]]:
    """The records beside the runs of a single experiment, and notes on those that cannot be read."""
    folders = {run.folder.path.parent for run in runs}
    if len(folders) > 1:
        return None, None, []
    folder = folders.pop()
    tuning, decisions, notes = None, None, []
    try:
        tuning = read_tuning(folder)
    except RecordError as error:
        notes.append(f"left out: {error}; values that were tuned count as differences between the runs")
    try:
        decisions = read_decisions(folder)
    except RecordError as error:
        once = "the verdicts are those of one look at the runs, and do not allow for any look before"
        notes.append(f"left out: {error}; {once}")
    return tuning, decisions, notes


def _with_predictions(row: NormRow) -> NormRow:
    return replace(
        row, finished=tuple(replace(run, predictions=load_predictions(run.folder, run.record)) for run in row.finished)
    )


def _is_missing(record: Path) -> bool:
    try:
        return not record.exists()
    except OSError:  # not allowed to look
        return False


def _is_made_by_normbench(folder: RunFolder) -> bool:
    """Whether normbench made a folder without a record: other tools write a config.yaml too."""
    try:
        config = read_regular(folder.config, MAX_BYTES)
    except OSError:
        return folder.checkpoint.exists()
    keys = {line.partition(b":")[0] for line in config.splitlines()}
    return {b"norm", b"train", b"seeds"} <= keys
