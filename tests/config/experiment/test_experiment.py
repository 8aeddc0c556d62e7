"""An experiment: which runs `seeds`, `sweep`, `exclude` and `tune` describe."""

import re
from itertools import product
from pathlib import Path

import pytest
import yaml

from normbench.config import Choice, Config, load_config, load_experiment, shipped_configs, with_values
from normbench.errors import ConfigError
from normbench.runs.build import REGISTRIES
from tests.config_fakes import FAKES, experiment_text, flags, load_text

# Runs


def test_a_config_without_a_sweep_is_a_run_a_seed(tmp_path: Path) -> None:
    experiment = experiment_text(tmp_path, "name: mine\nseeds: [4, 2]")
    config = load_text(tmp_path, "name: mine\nseeds: [4, 2]")
    assert experiment.runs == (config.for_seed(4), config.for_seed(2))
    assert (experiment.name, experiment.axes, experiment.num_excluded, experiment.tune) == ("mine", {}, 0, None)


def test_the_product_of_the_axes_seed_by_seed(tmp_path: Path) -> None:
    text = "seeds: {from: 0, to: 1}\nsweep:\n  norm: [bn, {kind: gn, num_groups: 8}]\n  train.lr: [0.1, 1, 1e-2]"
    experiment = experiment_text(tmp_path, text)
    found = [(run.seed, run.norm.name, run.train.optimizer.options["lr"]) for run in experiment.runs]
    assert found == list(product((0, 1), ("bn", "gn"), (0.1, 1.0, 0.01)))
    assert all(len(run.seeds) == 1 for run in experiment.runs)
    assert experiment.runs[3].norm == Choice("gn", {"num_groups": 8, "eps": 1e-5, "affine": True})
    assert experiment.axes == {"norm": ("bn", {"kind": "gn", "num_groups": 8}), "train.optimizer.lr": (0.1, 1, 0.01)}
    yaml.safe_dump(dict(experiment.axes))  # plain numbers, also of 1e-2


def test_a_run_is_what_the_same_values_by_flags_give(tmp_path: Path) -> None:
    base = "norm: {kind: gn, eps: 0.1}\ntrain: {epochs: 3}\n"
    sweep = "sweep: {norm: [gn, bn], train.batch_size: [8], train.schedule: [{name: step, gamma: 0.5}]}"
    given = flags("norm=bn", "train.batch_size=8", "train.schedule={name: step, gamma: 0.5}")
    first, second = experiment_text(tmp_path, base + sweep).runs
    assert second == load_text(tmp_path, base, given)
    assert first.norm.options["eps"] == 0.1  # the same kind keeps the options, as it does with `extends`


def test_keys_with_a_comma_go_together(tmp_path: Path) -> None:
    text = "sweep:\n  norm: [bn, gn]\n  train.batch_size, train.lr: [[2, 0.1], [4, 0.2], [8, 0.2]]"
    experiment = experiment_text(tmp_path, text)
    found = [(run.train.batch_size, run.train.optimizer.options["lr"]) for run in experiment.runs]
    assert found == [(2, 0.1), (4, 0.2), (8, 0.2)] * 2
    assert experiment.axes["train.batch_size"] == (2, 4, 8)
    assert experiment.axes["train.optimizer.lr"] == (0.1, 0.2)


@pytest.mark.parametrize("keys", ["train.lr, train.optimizer: [[0.5, sgd], [0.5, adam]]",
                                  "train.optimizer: [sgd, adam]\n  train.lr: [0.5]",
                                  "train.lr: [0.5]\n  train.optimizer: [sgd, adam]"])  # fmt: skip
def test_an_option_outlasts_the_choice_it_belongs_to(tmp_path: Path, keys: str) -> None:
    found = [run.train.optimizer for run in experiment_text(tmp_path, f"sweep:\n  {keys}").runs]
    assert [(choice.name, choice.options["lr"]) for choice in found] == [("sgd", 0.5), ("adam", 0.5)]


@pytest.mark.parametrize(
    ("axis", "expected"),
    [
        ("{from: 1, to: 4}", [1, 2, 3, 4]),
        ("{from: 2, to: 8, step: 3}", [2, 5, 8]),
        ("{from: 8, to: 64, num: 4, scale: log}", [8, 16, 32, 64]),
        ("{from: 10, to: 50, num: 3}", [10, 30, 50]),
        ("{from: 10, to: 50, num: 3, scale: linear}", [10, 30, 50]),
    ],
)
def test_a_range_of_whole_numbers(tmp_path: Path, axis: str, expected: list[int]) -> None:
    runs = experiment_text(tmp_path, f"sweep: {{train.batch_size: {axis}}}").runs
    found = [run.train.batch_size for run in runs]
    assert found == expected
    assert all(type(value) is int for value in found)


@pytest.mark.parametrize(
    ("axis", "expected"),
    [
        ("{from: 0.005, to: 0.32, num: 7, scale: log}", [0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32]),
        ("{from: 1e-4, to: 1, num: 5, scale: log}", [0.0001, 0.001, 0.01, 0.1, 1.0]),
        ("{from: 0.1, to: 0.5, num: 5}", [0.1, 0.2, 0.3, 0.4, 0.5]),
        ("{from: -1, to: 1, num: 5}", [-1, -0.5, 0, 0.5, 1]),
    ],
)
def test_a_range_of_numbers_has_the_values_people_write(tmp_path: Path, axis: str, expected: list[float]) -> None:
    runs = experiment_text(tmp_path, f"sweep: {{train.lr: {axis}}}").runs
    assert [run.train.optimizer.options["lr"] for run in runs] == expected


def test_a_run_of_one_config_takes_a_range_of_seeds_too(tmp_path: Path) -> None:
    assert load_text(tmp_path, "seeds: {from: 3, to: 5}").seeds == (3, 4, 5)
    assert load_text(tmp_path, "seeds: [7]", flags("seeds={from: 0, to: 4, step: 2}")).seeds == (0, 2, 4)


# Exclude


@pytest.mark.parametrize(
    ("entry", "left_out"),
    [
        ("{norm: bn, train.batch_size: 2}", [("bn", 2)]),
        ("{norm: gn}", [("gn", 2), ("gn", 8)]),
        ("{norm.kind: gn, train.batch_size: 8}", [("gn", 8)]),
        ("{norm: {kind: gn, num_groups: 4}}", [("gn", 2), ("gn", 8)]),  # by its default
        ("{norm.num_groups: 4}", [("gn", 2), ("gn", 8)]),
        ("{norm: {eps: 1e-5}, train.batch_size: 2}", [("bn", 2), ("gn", 2)]),
    ],
)
def test_a_cell_that_fits_all_of_an_entry_is_left_out(
    tmp_path: Path, entry: str, left_out: list[tuple[str, int]]
) -> None:
    text = f"seeds: [0, 1]\nsweep: {{norm: [bn, gn], train.batch_size: [2, 8]}}\nexclude:\n  - {entry}"
    experiment = experiment_text(tmp_path, text)
    found = {(run.norm.name, run.train.batch_size) for run in experiment.runs}
    assert found == set(product(("bn", "gn"), (2, 8))) - set(left_out)
    assert experiment.num_excluded == 2 * len(left_out)
    assert len(experiment.runs) == 8 - experiment.num_excluded


def test_what_is_excluded_need_not_be_possible(tmp_path: Path) -> None:
    text = "sweep: {norm: [none, gn], norm.num_groups: [2, 4]}\nexclude: [{norm: none}]"
    found = [run.norm.options["num_groups"] for run in experiment_text(tmp_path, text).runs]
    assert found == [2, 4]


# Layers


def test_a_file_replaces_the_axes_of_the_one_it_extends(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(
        "sweep:\n  norm: [bn, gn]\n  train.batch_size, train.lr: [[2, 0.1], [4, 0.2]]\n  model.dropout: [0.0]\n"
        "exclude: [{norm: bn, train.batch_size: 2}]\ntune: {train.momentum: [0.5, 0.9], budget: 1}"
    )
    assert len(experiment_text(tmp_path, "extends: base.yaml").runs) == 3
    text = "extends: base.yaml\nsweep: {train.batch_size: {from: 3, to: 5}}\nexclude: []\ntune: {budget: 2}"
    experiment = experiment_text(tmp_path, text)
    assert experiment.axes == {"norm": ("bn", "gn"), "model.dropout": (0.0,), "train.batch_size": (3, 4, 5)}
    assert {run.train.optimizer.options["lr"] for run in experiment.runs} == {0.04}
    assert experiment.tune is not None
    assert experiment.tune.grid == {"train.optimizer.momentum": (0.5, 0.9)}
    assert experiment.tune.budget == 2


def test_flags_change_the_config_that_is_swept_and_replace_axes(tmp_path: Path) -> None:
    text = "sweep: {norm: [bn, gn], train.batch_size: [2, 8]}\nexclude: [{norm: bn}]\ntune: {model.dropout: [0.1]}"
    given = flags("train.epochs=1", "sweep.norm=[none]", "sweep.train.lr={from: 0.1, to: 0.2, num: 2}", "exclude=[]",
                  "tune.seeds=[7]", "seeds=[5]")  # fmt: skip
    experiment = experiment_text(tmp_path, text, given)
    assert experiment.axes == {"train.batch_size": (2, 8), "norm": ("none",), "train.optimizer.lr": (0.1, 0.2)}
    assert {(run.train.epochs, run.seed) for run in experiment.runs} == {(1, 5)}
    assert experiment.tune is not None
    assert experiment.tune.seeds == (7,)


def test_the_config_of_a_run_says_nothing_of_the_sweep(tmp_path: Path) -> None:
    text = "seeds: [0, 1]\nsweep: {norm: [bn, gn]}\nexclude: [{norm: bn}]\ntune: {train.lr: [0.1, 0.2]}"
    (run, _) = experiment_text(tmp_path, text).runs
    assert run.to_dict().keys() == Config().to_dict().keys()
    assert load_text(tmp_path, yaml.safe_dump(run.to_dict())) == run


# Tune


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


def test_values_that_do_not_fit_a_config(tmp_path: Path) -> None:
    run = load_text(tmp_path, "norm: bn")
    with pytest.raises(ConfigError, match=r"norm\.num_groups: unknown bn option 'num_groups'"):
        with_values(run, {"norm.num_groups": 4}, FAKES)


# The shipped experiments


@pytest.mark.parametrize(
    ("name", "num_runs", "num_seeds"),
    [("seeds", 30, 10), ("batch-size", 72, 3), ("groups", 25, 5), ("lr", 45, 3), ("quickstart", 9, 3)],
)
def test_shipped_experiments(name: str, num_runs: int, num_seeds: int) -> None:
    experiment = load_experiment(name, REGISTRIES)
    assert experiment.name == name
    assert len(experiment.runs) == num_runs
    assert len({run.seed for run in experiment.runs}) == num_seeds
    with pytest.raises(
        ConfigError, match=rf"{name}\.yaml, line \d+: sweep: makes an experiment of many runs, which 'normbench sweep'"
    ):
        load_config(name, REGISTRIES)


def test_the_batch_size_study_follows_its_lr_rule_with_equal_epochs() -> None:
    runs = load_experiment("batch-size", REGISTRIES).runs
    assert {run.train.batch_size for run in runs} == {2, 4, 8, 16, 32, 64, 128, 256}
    assert {run.train.epochs for run in runs} == {20}
    for run in runs:
        assert run.train.optimizer.options["lr"] == 0.1 * run.train.batch_size / 64


def test_what_chooses_is_scored_on_val() -> None:
    assert {run.data.evaluate_on for run in load_experiment("lr", REGISTRIES).runs} == {"val"}


def test_the_examples_of_the_readme_load(tmp_path: Path) -> None:
    readme = (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")
    examples = re.findall(r"```yaml\n(.*?)```", readme, re.DOTALL)
    num_runs = []
    for example in examples:
        (tmp_path / "example.yaml").write_text(example, encoding="utf-8")
        num_runs.append(len(load_experiment(tmp_path / "example.yaml", REGISTRIES).runs))
    assert num_runs == [1, 240]


def test_every_shipped_config_has_its_own_folder() -> None:
    names = [load_experiment(name, REGISTRIES).name for name in shipped_configs()]
    assert len(set(names)) == len(names)
