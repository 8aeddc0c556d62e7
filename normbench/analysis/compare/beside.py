"""What a sweep left in the folder of an experiment beside its runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from normbench.analysis.compare.run import Run
from normbench.runs.folder import is_trial
from normbench.runs.read import RecordError, read_decisions, read_sweep, read_tuning
from normbench.runs.sweep_records import Decisions, Sweep, Tuning


@dataclass(frozen=True)
class Beside:
    """The records in one experiment's folder, None where there is none; `problems` are those that cannot be read."""

    sweep: Sweep | None = None
    tuning: Tuning | None = None
    decisions: Decisions | None = None
    problems: tuple[str, ...] = ()

    def plan_of(self, run: Run) -> tuple[int | None, tuple[str, ...]]:
        """(number of the run's plan, the keys besides the norm that it goes along). Trials go along the tuned keys."""
        if is_trial(run.folder.path):
            return None, tuple(self.tuning.grid) if self.tuning else ()
        plans = self.sweep.plans if self.sweep else ()
        for number, plan in reversed([*enumerate(plans)]):
            if run.folder.path.name in plan.runs:
                return number, tuple(key for key in plan.axes if key.partition(".")[0] != "norm")
        return None, ()


def home_of(run: Run) -> Path:
    """The folder of the run's experiment."""
    folder = run.folder.path.parent
    return folder.parent if is_trial(run.folder.path) else folder


def read_beside(runs: Sequence[Run]) -> dict[Path, Beside]:
    """The records of the experiments of these runs, by folder."""
    return {home: _read(home) for home in dict.fromkeys(map(home_of, runs))}


def _read(home: Path) -> Beside:
    sweep, tuning, decisions, problems = None, None, None, []
    try:
        sweep = read_sweep(home)
    except RecordError as error:
        problems.append(f"left out: {error}; without it no key of the sweep is known, --by names one")
    try:
        tuning = read_tuning(home)
    except RecordError as error:
        problems.append(f"left out: {error}; values that were tuned count as differences between the runs")
    try:
        decisions = read_decisions(home)
    except RecordError as error:
        once = "the verdicts are those of one look at the runs, and do not allow for any look before"
        problems.append(f"left out: {error}; {once}")
    return Beside(sweep, tuning, decisions, tuple(problems))
