"""Folders -> sets of runs that may be compared -> a comparison of each; what cannot be read is named, never a crash."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from normbench.analysis.compare.beside import Beside, read_beside
from normbench.analysis.compare.compare import Comparison, Options, compare
from normbench.analysis.compare.environment import refuse_other_environments
from normbench.analysis.compare.load import load_runs
from normbench.analysis.compare.overview import SetRow, overview
from normbench.analysis.compare.pairs import baseline_of
from normbench.analysis.compare.predictions import load_predictions
from normbench.analysis.compare.refusal import possible_axes, refusal
from normbench.analysis.compare.rows import NormRow
from normbench.analysis.compare.run import Run
from normbench.analysis.compare.select import select
from normbench.analysis.compare.sets import RunSet, partition
from normbench.errors import ConfigError
from normbench.runs.folder import is_trial
from normbench.runs.sweep_records import Decisions
from normbench.text import plural, printable

MOST_SETS = 3
"""Sets that are compared unless all are asked for: the overview says what else there is."""

Need = Literal["predictions"]
"""Files of a run that only some tables and figures need. The record and the epochs are always read."""


@dataclass(frozen=True)
class Comparisons:
    """The comparisons of the `shown` sets of runs, the newest set first, and an `overview` with a row for every set.

    Row i of the overview is about the comparison i. `notes` name what was left out. `possible_axes` are the keys that
    --by could take to join the sets. `published`: the paths hold no runs of one's own, and these are the largest set
    of those published in these folders.
    """

    shown: tuple[Comparison, ...]
    overview: tuple[SetRow, ...]
    notes: tuple[str, ...] = ()
    possible_axes: tuple[str, ...] = ()
    published: tuple[Path, ...] = ()


def comparisons(
    paths: Sequence[Path],
    where: Sequence[str] = (),
    options: Options | None = None,
    needs: Collection[Need] = (),
    most: int | None = MOST_SETS,
) -> Comparisons:
    """The comparisons of the runs in or below `paths` that fit each `key=value` of `where`; of at most `most` sets.

    Where there are no runs but published ones below the paths, the largest published set is shown. With the need
    `predictions`, those of each compared run are read too. Raises ConfigError: no such folder, no finished run, a bad
    `where`, a baseline that no set has; with `options.strict`, runs of several sets or environments.
    """
    options = options or Options()
    loaded = load_runs(paths)
    if not loaded.runs:
        places = ", ".join(printable(path) for path in paths)
        raise ConfigError(
            "\n".join([f"no finished run in {places}; make one: normbench train --norm gn", *loaded.notes])
        )
    chosen, without = _without_trials(select(loaded.runs, where), where)
    beside = read_beside(chosen)
    sets = partition(chosen, options.by, beside)
    problems = [problem for each in beside.values() for problem in each.problems]
    if options.strict:
        _refuse_mixtures(sets, problems)
    if loaded.published:
        sets = [max(sets, key=lambda found: len(found.runs))]
    shown, notes = [], [*loaded.notes, *without, *problems]
    for found, its_options in _with_known_baseline(sets, options)[:most]:
        comparison, more = compare(found, its_options, _decisions(found, beside))
        shown.append(_with_predictions(comparison) if "predictions" in needs else comparison)
        notes += more
    return Comparisons(tuple(shown), overview(sets), tuple(notes), tuple(possible_axes(sets)), loaded.published)


def _without_trials(runs: list[Run], where: Sequence[str]) -> tuple[list[Run], list[str]]:
    """Leaves out trials, on held-out images, beside runs on all images, unless `where` asks for trials."""
    asked = any(text.startswith(("data.evaluate_on=", "data.evaluated_on=")) for text in where)
    kept = [run for run in runs if not is_trial(run.folder.path)]
    if asked or not kept or len(kept) == len(runs):
        return runs, []
    trials = plural(len(runs) - len(kept), "run")
    return kept, [f"left out: {trials} of a tuning, on held-out images; --where data.evaluate_on=val shows them"]


def _refuse_mixtures(sets: Sequence[RunSet], problems: Sequence[str]) -> None:
    if len(sets) > 1:  # a `tuning.json` that cannot be read may be the cause
        raise ConfigError("\n".join([refusal(sets), *problems]))
    for found in sets:
        refuse_other_environments([run.record for run in found.runs])


def _with_known_baseline(sets: Sequence[RunSet], options: Options) -> list[tuple[RunSet, Options]]:
    """Each set with the options; without the baseline where the set does not have it. Raises if no set has it."""
    if options.baseline is None:
        return [(found, options) for found in sets]
    unknown: list[ConfigError] = []
    chosen = []
    for found in sets:
        try:
            baseline_of([run.record for run in found.runs], options.baseline)
            chosen.append((found, options))
        except ConfigError as error:
            unknown.append(error)
            chosen.append((found, replace(options, baseline=None)))
    if len(unknown) == len(sets):
        raise unknown[0]
    return chosen


def _decisions(found: RunSet, beside: dict[Path, Beside]) -> Decisions | None:
    """Those of the experiment, if all runs of the set are of one."""
    return beside[found.homes[0]].decisions if len(found.homes) == 1 else None


def _with_predictions(comparison: Comparison) -> Comparison:
    return replace(comparison, rows=tuple(map(_row_with_predictions, comparison.rows)))


def _row_with_predictions(row: NormRow) -> NormRow:
    return replace(
        row, finished=tuple(replace(run, predictions=load_predictions(run.folder, run.record)) for run in row.finished)
    )
