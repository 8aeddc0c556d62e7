"""Tuning: the points that are tried, and what is wrong with a `tune`."""

from pathlib import Path

import pytest

from normbench.config import Choice, with_values
from tests.config_fakes import FAKES, experiment_errors_of, experiment_text, flags


def test_the_whole_grid_is_tried_unless_the_budget_is_smaller(tmp_path: Path) -> None:
    text = "sweep: {norm: [bn, gn]}\ntune: {train.lr: [1e-2, 0.1], 'train.epochs, model.dropout': [[1, 0.1], [2, 0.2]]}"
    tune = experiment_text(tmp_path, text).tune
    assert tune is not None
    assert tune.grid == {"train.optimizer.lr": (0.01, 0.1), "train.epochs": (1, 2), "model.dropout": (0.1, 0.2)}
    assert [tuple(point.values()) for point in tune.points] == [
        (0.01, 1, 0.1),
        (0.01, 2, 0.2),
        (0.1, 1, 0.1),
        (0.1, 2, 0.2),
    ]
    assert list(tune.points[0]) == ["train.optimizer.lr", "train.epochs", "model.dropout"]
    assert (tune.budget, tune.seeds) == (4, (1000,))
    assert experiment_text(tmp_path, text, flags("tune.budget=9")).tune == tune  # there are no more than 4


def test_a_smaller_budget_is_a_draw_that_a_larger_one_goes_on_with(tmp_path: Path) -> None:
    text = "tune: {train.lr: {from: 1, to: 10}, train.momentum: {from: 1, to: 10}, seeds: {from: 20, to: 21}}"
    drawn = []
    for budget in (1, 5, 20, 100):
        tune = experiment_text(tmp_path, text, flags(f"tune.budget={budget}")).tune
        assert tune is not None
        assert (tune.budget, len(tune.points), tune.seeds) == (budget, budget, (20, 21))
        drawn.append({tuple(point.values()) for point in tune.points})
    assert [len(points) for points in drawn] == [1, 5, 20, 100]
    assert drawn[0] < drawn[1] < drawn[2] < drawn[3]
    # Another draw would be another experiment: these points must stay, whatever the Python
    assert sorted(drawn[1]) == [(4, 6), (5, 1), (6, 3), (8, 6), (10, 8)]


def test_a_trial_is_a_run_with_a_points_values(tmp_path: Path) -> None:
    run = experiment_text(tmp_path, "norm: gn\ntrain: {optimizer: {name: sgd, lr: 1e-3}}").runs[0]
    values = {"train.optimizer.lr": 0.5, "norm.num_groups": 2, "data.evaluate_on": "val", "seeds": [1000]}
    trial = with_values(run, values, FAKES)
    assert trial.train.optimizer == Choice("sgd", {**run.train.optimizer.options, "lr": 0.5})
    assert (trial.norm.options["num_groups"], trial.data.evaluate_on, trial.seed) == (2, "val", 1000)
    assert with_values(trial, {"train.lr": 1e-3, "norm": "gn", "norm.num_groups": 4, "data.evaluate_on": "test",
                               "seeds": [0]}, FAKES) == run  # fmt: skip
    assert with_values(run, {}, FAKES) == run


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tune: {budget: 3}", "tune: names no key to tune, such as train.optimizer.lr: [0.02, 0.04]"),
        ("tune: {train.lr: [0.1], budget: 0}", "tune.budget: must be the number of points tried for each norm, at lea"),
        ("tune: {train.lr: [0.1], budget: 1.5}", "tune.budget: must be the number of points tried for each norm, at l"),
        ("tune: {train.lr: [0.1], budget: true}", "tune.budget: must be the number of points tried for each norm, at"),
        ("tune: {train.lr: [0.1, 0.1]}", "tune: two points make the same trial: 0.1 and 0.1; each value may"),
        ("tune: {train.lr: [0.1, x]}", "train.optimizer.lr: must be a number, found 'x'"),
        ("tune: {train.epochs: [10, 21]}", "train.epochs: 21 epochs are over the budget of 20"),
        ("tune: {train.lr: [0.1], seeds: [0]}", "tune.seeds: 0 is also in 'seeds': trials need seeds of their own"),
        ("{seeds: [1000], tune: {train.lr: [0.1]}}", "tune.seeds: by default 1000: 1000 is also in 'seeds'"),
        ("tune: {train.lr: [0.1], seeds: []}", "tune.seeds: must be a list of different whole numbers from 0 up, such"),
        ("tune: {train.lr: [0.1], seeds: [3, 3]}", "tune.seeds: must be a list of different whole numbers from 0 up"),
        ("tune: {train.lr: [0.1], seeds: [-3]}", "tune.seeds: must be a list of different whole numbers from 0 up"),
        ("tune: {train.lr: [0.1], seeds: 7}", "tune.seeds: must be a list of different whole numbers from 0 up"),
        ("tune: {train.lr: [0.1], seeds: {from: 9, to: 8}}", "tune.seeds: 'from' must be below 'to'"),
        ("tune: {norm: [bn, gn]}", "tune.norm: cannot be in 'tune': norms are what is compared, each is tuned for its"),
        ("tune: {data.source: [folder]}", "tune.data.source: cannot be in 'tune': settings are chosen on the images"),
        ("tune: {norm.num_groups: [2]}", "norm.num_groups: unknown bn option 'num_groups'"),
        ("{data: {evaluate_on: val}, tune: {train.lr: [0.1]}}", "data.evaluate_on: must be test with 'tune': trials a"),
        ("tune: {train.lr: {from: 1, to: 1000}, model.dropout: {from: 1, to: 1000}}",
         "tune: the grid has 1,000,000 points, and 100,000 are allowed"),
        (f"{{data: {{urls: [{'x, ' * 90}]}}, tune: {{train.lr: {{from: 1, to: 9000}}}}}}",
         "tune: 9,000 trials of some 128 values each are more than can be looked at; 1,000,000 values are allowed"),
        ("tune: {train.lr: {from: 1, to: 9000}, seeds: [1, 2]}", "tune: 1 (cells) x 9,000 (points) x 2 (seeds) = 18,0"),
    ],
)  # fmt: skip
def test_a_wrong_tuning_is_refused(tmp_path: Path, text: str, expected: str) -> None:
    (message,) = experiment_errors_of(tmp_path, f"\n{text}")
    assert message.startswith(f"my.yaml, line 2: {expected}")
