"""A sweep without a terminal: what is planned, trained and told."""

from pathlib import Path

import pytest
import torch

from normbench.config import Experiment, load_experiment
from normbench.data.load import load_dataset
from normbench.errors import RunError
from normbench.runs.events import Finished
from normbench.runs.registries import REGISTRIES
from normbench.runs.run_id import folder_of
from normbench.sweeps.options import Options, Rounds
from normbench.sweeps.queue import RunEvent
from normbench.sweeps.run import Judged, Planned, Planning, SweepEvent, Trained, run_sweep
from normbench.train.machine import Machine

YAML = """
extends: default.yaml
name: tiny
data: {source: folder, dir: IMAGES}
train: {epochs: 1, batch_size: 16, precision: fp32}
seeds: [0, 1]
sweep: {norm: [bn, none]}
"""


def experiment_of(images: Path, folder: Path, more: str = "") -> Experiment:
    (folder / "tiny.yaml").write_text(YAML.replace("IMAGES", str(images)) + more)
    return load_experiment(folder / "tiny.yaml", REGISTRIES)


def run(experiment: Experiment, options: Options) -> tuple[list[str], list[SweepEvent]]:
    """The names of the folders to compare, and what was told."""
    told: list[SweepEvent] = []
    dataset = load_dataset(experiment.runs[0].data, bar=False)
    folders = run_sweep(experiment, dataset, Machine(torch.device("cpu")), options, told.append)
    return [folder.path.name for folder in folders], told


def plans(told: list[SweepEvent]) -> list[tuple[str, int, int, bool]]:
    """(title, runs to do, runs done, whether they train) of each plan."""
    return [
        (event.title, len(event.plan.to_do), len(event.plan.done), event.trains)
        for event in told
        if isinstance(event, Planned)
    ]


def test_a_sweep_plans_trains_and_names_its_runs(images: Path, tmp_path: Path) -> None:
    experiment = experiment_of(images, tmp_path)
    options = Options(tmp_path / "results", jobs=1)
    folders, told = run(experiment, options)
    assert len(folders) == len(set(folders)) == 4
    assert plans(told) == [("tiny", 4, 0, True)]
    assert isinstance(told[-1], Trained)
    finished = [event.event for event in told if isinstance(event, RunEvent) and isinstance(event.event, Finished)]
    assert sorted(end.record.run_id for end in finished) == sorted(folders)
    again, told = run(experiment, options)
    assert again == folders
    assert plans(told) == [("tiny", 0, 4, False)]
    assert [type(event) for event in told] == [Planning, Planned]


def test_a_dry_run_plans_the_tuning_and_the_runs(images: Path, tmp_path: Path) -> None:
    tuned = experiment_of(images, tmp_path, "tune: {train.optimizer.lr: [0.01, 0.02], seeds: [7]}\n")
    folders, told = run(tuned, Options(tmp_path / "results", dry_run=True))
    assert folders == []
    assert plans(told) == [("tuning of tiny", 4, 0, False), ("tiny", 4, 0, False)]
    first = next(event for event in told if isinstance(event, Planned))
    assert first.axes == ("norm", "train.optimizer.lr")
    assert not (tmp_path / "results").exists()


def test_rounds_end_when_every_pair_is_decided(images: Path, tmp_path: Path) -> None:
    """Accuracies of tiny runs differ by less than all points there are: the first look that can decide does."""
    options = Options(tmp_path / "results", jobs=1, rounds=Rounds(max_seeds=4, delta=100.0))
    folders, told = run(experiment_of(images, tmp_path), options)
    looks = [event for event in told if isinstance(event, Judged)]
    assert len(plans(told)) == len(looks)
    assert [pair.goes_on for look in looks[:-1] for pair in look.decisions] == [True] * (len(looks) - 1)
    trained = {event.request.folder.path.name for event in told if isinstance(event, RunEvent)}
    assert set(folders) == trained


def test_runs_that_fail_are_all_named_at_the_end(images: Path, tmp_path: Path) -> None:
    experiment = experiment_of(images, tmp_path)
    results = tmp_path / "results"
    blocked = [folder_of(config, results).path for config in experiment.runs[:2]]
    for path in blocked:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    with pytest.raises(RunError, match=r"^2 run\(s\) failed; the same command tries them again:") as failed:
        run(experiment, Options(results, jobs=1))
    assert all(f"{path}: " in str(failed.value) for path in blocked)
    assert len(list(results.rglob("run.json"))) == 2
