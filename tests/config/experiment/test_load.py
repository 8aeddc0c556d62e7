"""An experiment: which runs `seeds` and `sweep` describe, and the limits of their number."""

import re
from itertools import product
from pathlib import Path

import pytest
import yaml

from normbench.config import (
    Choice,
    Config,
    load_config,
    load_experiment,
    shipped_configs,
    with_values,
)
from normbench.errors import ConfigError
from normbench.runs.registries import REGISTRIES
from tests.config_fakes import FAKES, experiment_errors_of, experiment_text, flags, load_text


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


def test_the_config_of_a_run_says_nothing_of_the_sweep(tmp_path: Path) -> None:
    text = "seeds: [0, 1]\nsweep: {norm: [bn, gn]}\nexclude: [{norm: bn}]\ntune: {train.lr: [0.1, 0.2]}"
    (run, _) = experiment_text(tmp_path, text).runs
    assert run.to_dict().keys() == Config().to_dict().keys()
    assert load_text(tmp_path, yaml.safe_dump(run.to_dict())) == run


def test_values_that_do_not_fit_a_config(tmp_path: Path) -> None:
    run = load_text(tmp_path, "norm: bn")
    with pytest.raises(ConfigError, match=r"norm\.num_groups: unknown bn option 'num_groups'"):
        with_values(run, {"norm.num_groups": 4}, FAKES)


@pytest.mark.parametrize(
    ("name", "num_runs", "num_seeds"),
    [
        ("seeds", 30, 10),
        ("batch-size", 72, 3),
        ("groups", 25, 5),
        ("lr", 45, 3),
        ("batch-size-lr", 42, 1),
        ("quickstart", 9, 3),
    ],
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


@pytest.mark.parametrize(
    ("name", "optimizer", "num_points"), [("tuned", "muon", 5), ("tuned-sgd", "sgd", 6), ("tuned-adamw", "adamw", 5)]
)
def test_shipped_tunings_give_every_norm_the_same_trials(name: str, optimizer: str, num_points: int) -> None:
    experiment = load_experiment(name, REGISTRIES)
    assert experiment.name == name
    assert len(experiment.runs) == 30
    assert experiment.tune is not None
    assert len(experiment.tune.points) == num_points
    assert {run.train.optimizer.name for run in experiment.runs} == {optimizer}


def test_the_batch_size_study_follows_its_lr_rule_with_equal_epochs() -> None:
    runs = load_experiment("batch-size", REGISTRIES).runs
    assert {run.train.batch_size for run in runs} == {2, 4, 8, 16, 32, 64, 128, 256}
    assert {run.train.epochs for run in runs} == {20}
    for run in runs:
        assert run.train.optimizer.options["lr"] == 0.1 * run.train.batch_size / 64


@pytest.mark.parametrize("name", ["lr", "batch-size-lr"])
def test_what_chooses_is_scored_on_val(name: str) -> None:
    assert {run.data.evaluate_on for run in load_experiment(name, REGISTRIES).runs} == {"val"}


def test_every_shipped_config_has_its_own_folder() -> None:
    names = [load_experiment(name, REGISTRIES).name for name in shipped_configs()]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sweep: {train.epochs: {from: 1, to: 200}, model.dropout: {from: 1, to: 200}}",
         "sweep: 200 (train.epochs) x 200 (model.dropout) x 1 (seeds) = 40,000 runs, and an experiment may have 10,00"),
        ("{seeds: {from: 0, to: 5000}, sweep: {norm: [bn, gn]}}", "sweep: 2 (norm) x 5,001 (seeds) = 10,002 runs"),
        (f"{{data: {{urls: [{'x, ' * 90}]}}, sweep: {{train.epochs: {{from: 1, to: 9000}}}}}}",
         "sweep.train.epochs: 9,000 combinations of some 128 values each are more than can be looked at; 1,000,000"),
        (f"sweep: {{{', '.join(f'norm.k{i}: [1]' for i in range(21))}}}", "sweep: names 21 keys, and 20 are allowed"),
        (f"sweep: {{'{', '.join(f'norm.k{i}' for i in range(21))}': [[1]]}}", "sweep: names 21 keys"),
    ],
)  # fmt: skip
def test_an_experiment_that_is_too_large_is_refused(tmp_path: Path, text: str, expected: str) -> None:
    (message,) = experiment_errors_of(tmp_path, f"\n{text}")
    assert message.startswith(f"my.yaml, line 2: {expected}")


def test_all_errors_are_reported_at_once_each_with_its_line(tmp_path: Path) -> None:
    text = """seeds: {from: 3, to: 0}
train: {epohcs: 3}
sweep:
  norm:
    - bn
    - gm
  train.batch_size: [2, 0]
  train.precision: bf16
  name: [a, b]
exclude:
  - {norm: none}
  - {train.precision: fp32}
tune:
  train.lr: [0.1, x]
  budget: -1
"""
    found = experiment_errors_of(tmp_path, text, flags("train.batch_size=4"))
    keys = [re.sub(r"^my.yaml, line (\d+): (.*?): .*", r"\1 \2", line) for line in found[1:]]
    assert keys == [
        "1 seeds",
        "2 train.epohcs",
        "6 norm.kind",
        "7 train.batch_size",
        "8 sweep.train.precision",
        "9 sweep.name",
        "15 tune.budget",
    ]
    assert found[0].startswith("--set train.batch_size=4: train.batch_size: is below 'sweep' (my.yaml, line 7), ")
