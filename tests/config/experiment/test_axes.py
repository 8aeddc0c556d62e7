"""The keys that `sweep` varies, and their values."""

from pathlib import Path

import pytest

from tests.config_fakes import experiment_errors_of, experiment_text


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
    ("text", "expected"),
    [
        ("sweep: {nrom: [bn]}", "sweep.nrom: unknown key 'nrom': did you mean 'norm'? known: norm, model, data.source"),
        ("sweep: {train.bach_size: [2]}", "sweep.train.bach_size: unknown key 'train.bach_size': did you mean 'train."),
        ("sweep: {model.droput: [0.1]}", "model.droput: unknown reference option 'droput': did you mean 'dropout'?"),
        ("sweep: {train.optimizer.lr.x: [1]}", "sweep.train.optimizer.lr.x: unknown key 'train.optimizer.lr.x'"),
        ("sweep: {data.augment.0: [flip]}", "sweep.data.augment.0: unknown key 'data.augment.0'"),
        ("sweep: {'': [1]}", "sweep.'': unknown key ''"),
        ("sweep: {train: {epochs: [1, 2]}}", "sweep.train: is a section; write its keys out: train.epochs, train.batc"),
        ("sweep: {data: [1]}", "sweep.data: is a section; write its keys out: data.source, data.augment"),
        ("sweep: {name: [a, b]}", "sweep.name: cannot be in 'sweep': an experiment has one name"),
        ("sweep: {seeds: [0, 1]}", "sweep.seeds: cannot be in 'sweep': seeds stand below 'seeds', and every cell"),
        ("sweep: {budget.max_epochs: [1]}", "sweep.budget.max_epochs: cannot be in 'sweep': the budget is the same fo"),
        ("sweep: {data.evaluate_on: [test, val]}", "sweep.data.evaluate_on: cannot be in 'sweep': runs that are score"),
        ("sweep: {data.dir: [a, b]}", "sweep.data.dir: cannot be in 'sweep': where the images lie makes no other run"),
        ("sweep: {pictures.rows: [1]}", "sweep.pictures.rows: cannot be in 'sweep': how pictures are drawn"),
        ("sweep: {extends: [a]}", "sweep.extends: unknown key 'extends': "),
        ("sweep: {sweep: [a]}", "sweep.sweep: unknown key 'sweep': "),
    ],
)  # fmt: skip
def test_a_key_that_cannot_be_swept_is_refused(tmp_path: Path, text: str, expected: str) -> None:
    (message,) = experiment_errors_of(tmp_path, f"\n{text}")
    assert message.startswith(f"my.yaml, line 2: {expected}")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sweep: {norm: []}", "sweep.norm: must be a list of values, or a range such as {from: 1, to: 4}; found an em"),
        ("sweep: {norm: bn}", "sweep.norm: must be a list of values, or a range such as {from: 1, to: 4}; found 'bn'"),
        ("sweep: {norm: {kind: gn}}", "sweep.norm: must be a list of values, or a range such as {from: 1, to: 4}; fou"),
        ("sweep: {norm: null}", "sweep.norm: must be a list of values, or a range such as {from: 1, to: 4}; found not"),
        ("sweep: {norm: [bn, gm]}", "norm.kind: unknown norm 'gm': did you mean 'gn'?"),
        ("sweep: {norm: [{kind: gn, grups: 4}]}", "norm.grups: unknown gn option 'grups': did you mean 'num_groups'?"),
        ("sweep: {norm: [bn], norm.num_groups: [2]}", "norm.num_groups: unknown bn option 'num_groups': known: eps, "),
        ("sweep: {train.batch_size: [2, x]}", "train.batch_size: must be a whole number, found 'x'"),
        ("sweep: {train.batch_size: [[2, 4]]}", "train.batch_size: must be a whole number, found a list"),
        ("sweep: {train.batch_size: [2, 0]}", "train.batch_size: must be at least 1, found 0"),
        ("sweep: {train.batch_size: [2, 4, 2]}", "sweep.train.batch_size: two of its values make the same run: 2 and"),
        ("sweep: {train.lr: [1, 1.0]}", "sweep.train.optimizer.lr: two of its values make the same run: 1 and 1.0; ea"),
        ("sweep: {norm: [gn, {kind: gn, num_groups: 4}]}", "sweep.norm: two of its values make the same run: 'gn' and"),
        ("sweep: {norm: [bn, gn], norm.eps: [1, 2, 1]}", "sweep.norm.eps: two of its values make the same run: 1 and"),
        ("sweep: {train.epochs: [10, 30]}", "train.epochs: 30 epochs are over the budget of 20 (budget.max_epochs)"),
        ("sweep: {data.augment: [flip]}", "data.augment: must be a list of augmentations, such as [flip], found 'flip"),
        ("sweep: {data.source: [cifar]}", "data.source: unknown data source 'cifar': did you mean 'cifar10'?"),
    ],
)  # fmt: skip
def test_wrong_values_of_a_swept_key_are_refused(tmp_path: Path, text: str, expected: str) -> None:
    (message,) = experiment_errors_of(tmp_path, f"\n{text}")
    assert message.startswith(f"my.yaml, line 2: {expected}")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sweep: {'train.batch_size, train.lr': [[2, 0.1], [4]]}",
         "sweep.'train.batch_size, train.lr': each item must be a list of 2 values, one for each key; found a list"),
        ("sweep: {'train.batch_size, train.lr': [2]}", "sweep.'train.batch_size, train.lr': each item must be a list"),
        ("sweep: {'train.lr, train.optimizer.lr': [[1, 2]]}", "sweep.'train.lr, train.optimizer.lr': names a key twic"),
        ("sweep: {'norm, ': [[bn, 2]]}", "sweep.'': unknown key ''"),
        ("sweep: {train.lr: [1], train.optimizer.lr: [2]}", "train.optimizer.lr: is set twice: below 'sweep' (my.yaml"),
        ("sweep: {norm: [bn], norm.kind: [gn]}", "norm: is set twice: below 'sweep'"),
        ("sweep: {norm: [{kind: gn, eps: 1}], norm.eps: [1, 2]}", "norm.eps: is set twice: by values of its own, and"),
        ("{sweep: {train.lr: [1]}, tune: {train.lr: [2]}}", "train.optimizer.lr: is set twice: below 'sweep' (my.yaml"),
    ],
)  # fmt: skip
def test_keys_that_contradict_each_other_are_refused(tmp_path: Path, text: str, expected: str) -> None:
    (message,) = experiment_errors_of(tmp_path, f"\n{text}")
    assert message.startswith(f"my.yaml, line 2: {expected}")
