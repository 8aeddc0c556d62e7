"""Fair tuning: each norm gets the same trials on held-out training images; its best setting is then trained anew."""

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from normbench.config import Config, Experiment, Tune, with_values
from normbench.errors import RunError
from normbench.files import write_json_atomically
from normbench.locks import locked
from normbench.norms import norm_label
from normbench.runs.folder import trial_folder, tuning_file
from normbench.runs.read import RecordError, finished_record
from normbench.runs.registries import REGISTRIES
from normbench.runs.run_id import run_id
from normbench.runs.sweep_records import Chosen, Tuning
from normbench.sweeps.worker import RunRequest


def trials(experiment: Experiment, results: Path) -> list[RunRequest]:
    """A trial for each cell of the sweep at each point of the grid, point by point, so that norms advance evenly."""
    assert experiment.tune is not None
    return [
        _trial(experiment.tune, experiment, cell, point, seed, results)
        for seed in experiment.tune.seeds
        for point in experiment.tune.points
        for cell in cells(experiment)
    ]


def cells(experiment: Experiment) -> list[Config]:
    """The cells of the sweep, each tuned by itself: the runs of its first seed."""
    return [config for config in experiment.runs if config.seed == experiment.runs[0].seed]


def choose(experiment: Experiment, results: Path) -> tuple[Config, ...]:
    """The experiment's runs with the best point of each cell, which is also written to `tuning.json`.

    The best point has the highest mean validation accuracy over the trials' seeds, the first one of equals; a point
    with a diverged trial is never chosen. Raises RunError if a trial is not finished, as no norm may have fewer trials
    than another, or if all points of a cell diverged.
    """
    assert experiment.tune is not None
    chosen = {}
    entries = []
    for cell in cells(experiment):
        scores = [_score(experiment.tune, experiment, cell, point, results) for point in experiment.tune.points]
        best = max(range(len(scores)), key=lambda number: scores[number])
        if scores[best] < 0:
            raise RunError(f"tuning {_label(cell)}: every trial diverged; try lower learning rates")
        point = experiment.tune.points[best]
        chosen[run_id(cell)] = point
        entries.append(_entry(experiment, cell, point, scores[best]))
    tuning = Tuning(
        budget=experiment.tune.budget,
        seeds=tuple(experiment.tune.seeds),
        grid={key: tuple(values) for key, values in experiment.tune.grid.items()},
        chosen=tuple(entries),
    )
    with locked(results / experiment.name):
        write_json_atomically(tuning_file(results / experiment.name), tuning.to_dict())
    first = experiment.runs[0].seed
    return tuple(with_values(run, chosen[run_id(run.for_seed(first))], REGISTRIES) for run in experiment.runs)


def _trial(
    tune: Tune, experiment: Experiment, cell: Config, point: Mapping[str, Any], seed: int, results: Path
) -> RunRequest:
    config = with_values(cell.for_seed(seed), {**point, "data.evaluate_on": "val"}, REGISTRIES)
    return RunRequest(config, trial_folder(results / experiment.name, run_id(config)))


def _score(tune: Tune, experiment: Experiment, cell: Config, point: Mapping[str, Any], results: Path) -> float:
    """The mean validation accuracy of a point, a fraction; -1 if a trial diverged."""
    accuracies = []
    for seed in tune.seeds:
        request = _trial(tune, experiment, cell, point, seed, results)
        if not request.folder.is_finished:
            raise RunError(
                f"tuning {_label(cell)}: the trial {request.folder.path} is not finished, and no norm may have fewer "
                "trials than another; the same command goes on with it"
            )
        record = finished_record(request.folder)
        if record.data.evaluated_on != "val":
            raise RecordError(f"{request.folder.record}: is no trial on held-out images: remove {request.folder.path}")
        if record.metrics is None:
            return -1.0
        accuracies.append(record.metrics.held_out.accuracy)
    return statistics.fmean(accuracies)


def _entry(experiment: Experiment, cell: Config, point: Mapping[str, Any], score: float) -> Chosen:
    assert experiment.tune is not None
    grid = experiment.tune.grid
    return Chosen(
        norm=cell.to_dict()["norm"],
        label=_label(cell),
        cell={axis: cell.value(axis) for axis in experiment.axes if axis.partition(".")[0] != "norm"},
        values=dict(point),
        val_accuracy=score,
        on_edge=tuple(key for key, values in grid.items() if _is_edge(point[key], values)),
    )


def _is_edge(value: Any, values: Sequence[Any]) -> bool:
    """Whether a better value may lie beyond the grid: for the least or greatest of several numbers."""
    if len(values) < 2 or not all(isinstance(other, int | float) for other in values):
        return False
    return value in (min(values), max(values))


def _label(config: Config) -> str:
    return norm_label(config.norm.name, config.norm.options)
