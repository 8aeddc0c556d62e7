"""What is wrong with an experiment: each problem with its place, all of them at once."""

import re
import time
from pathlib import Path

import pytest

from tests.config_fakes import errors_of, experiment_errors_of, experiment_text, flags, load_text

TWO = "sweep: {norm: [bn, gn], train.batch_size: [2, 8]}\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # the sections
        ("sweep: [norm]", "sweep: must be a mapping of keys to values, such as {norm: [bn, gn]}; found a list"),
        ("sweep: {}", "sweep: must be a mapping of keys to values, such as {norm: [bn, gn]}; found nothing in it"),
        ("tune: 3", "tune: must be a mapping of keys to values, such as {train.optimizer.lr: [0.02, 0.04], budget: 2}"),
        ("sweeep: {norm: [bn]}", "sweeep: unknown key 'sweeep': did you mean 'sweep'?"),
        # keys
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
        # values
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
        # ranges
        ("sweep: {train.epochs: {from: 4, to: 1}}", "sweep.train.epochs: 'from' must be below 'to', found {from: 4, t"),
        ("sweep: {train.epochs: {from: 4, to: 4}}", "sweep.train.epochs: 'from' must be below 'to'"),
        ("sweep: {train.epochs: {from: 1}}", "sweep.train.epochs: a range needs 'from' and 'to', such as {from: 0, to"),
        ("sweep: {train.epochs: {from: a, to: 3}}", "sweep.train.epochs.from: must be a finite number, found 'a'"),
        ("sweep: {train.epochs: {from: true, to: 3}}", "sweep.train.epochs.from: must be a finite number, found true"),
        ("sweep: {train.lr: {from: 1, to: .inf, num: 3}}", "sweep.train.optimizer.lr.to: must be a finite number, fou"),
        ("sweep: {train.lr: {from: .nan, to: 1, num: 3}}", "sweep.train.optimizer.lr.from: must be a finite number, f"),
        ("sweep: {train.lr: {from: 0.1, to: 1, num: 1}}", "sweep.train.optimizer.lr.num: must be a whole number from"),
        ("sweep: {train.lr: {from: 0.1, to: 1, num: 1e5}}", "sweep.train.optimizer.lr.num: must be a whole number fro"),
        ("sweep: {train.lr: {from: 0.1, to: 1, nums: 3}}", "sweep.train.optimizer.lr.nums: unknown key of a range 'nu"),
        ("sweep: {train.lr: {from: 0.1, to: 1}}", "sweep.train.optimizer.lr: needs 'num', how many values there are"),
        ("sweep: {train.lr: {from: 1, to: 9, scale: log}}", "sweep.train.optimizer.lr: needs 'num', how many values"),
        ("sweep: {train.lr: {from: 0, to: 1, num: 3, scale: log}}",
         "sweep.train.optimizer.lr: a log scale begins above 0"),
        ("sweep: {train.lr: {from: 1, to: 9, num: 3, scale: lg}}",
         "sweep.train.optimizer.lr.scale: must be linear or log, found 'lg'"),
        ("sweep: {train.epochs: {from: 1, to: 9, num: 3, step: 2}}",
         "sweep.train.epochs: a range has 'num' or 'step', not"),
        ("sweep: {train.epochs: {from: 1, to: 9, step: 0}}", "sweep.train.epochs.step: must be a whole number of at l"),
        ("sweep: {train.epochs: {from: 1, to: 9, step: 3}}", "sweep.train.epochs: steps of 3 from 1 do not meet 9: 't"),
        ("sweep: {train.epochs: {from: 1, to: 10, num: 3}}", "train.epochs: must be a whole number, found 5.5"),
        ("sweep: {train.epochs: {from: 0, to: 99999999}}", "sweep.train.epochs: holds 100,000,000 values, and 10,000"),
        ("seeds: {from: 0, to: 99999999}", "seeds: holds 100,000,000 values, and 10,000 are allowed"),
        ("seeds: {from: 2, to: 0}", "seeds: 'from' must be below 'to'"),
        ("seeds: {from: -1, to: 0}", "seeds[0]: must be at least 0, found -1"),
        ("seeds: {}", "seeds: a range needs 'from' and 'to', such as {from: 0, to: 9}"),
        ("seeds: 3", "seeds: must be a list, found 3; such as [0, 1, 2], or the range {from: 0, to: 2}"),
        # several keys at once
        ("sweep: {'train.batch_size, train.lr': [[2, 0.1], [4]]}",
         "sweep.'train.batch_size, train.lr': each item must be a list of 2 values, one for each key; found a list"),
        ("sweep: {'train.batch_size, train.lr': [2]}", "sweep.'train.batch_size, train.lr': each item must be a list"),
        ("sweep: {'train.lr, train.optimizer.lr': [[1, 2]]}", "sweep.'train.lr, train.optimizer.lr': names a key twic"),
        ("sweep: {'norm, ': [[bn, 2]]}", "sweep.'': unknown key ''"),
        ("sweep: {train.lr: [1], train.optimizer.lr: [2]}", "train.optimizer.lr: is set twice: below 'sweep' (my.yaml"),
        ("sweep: {norm: [bn], norm.kind: [gn]}", "norm: is set twice: below 'sweep'"),
        ("sweep: {norm: [{kind: gn, eps: 1}], norm.eps: [1, 2]}", "norm.eps: is set twice: by values of its own, and"),
        ("{sweep: {train.lr: [1]}, tune: {train.lr: [2]}}", "train.optimizer.lr: is set twice: below 'sweep' (my.yaml"),
        # too many
        ("sweep: {train.epochs: {from: 1, to: 200}, model.dropout: {from: 1, to: 200}}",
         "sweep: 200 (train.epochs) x 200 (model.dropout) x 1 (seeds) = 40,000 runs, and an experiment may have 10,00"),
        ("{seeds: {from: 0, to: 5000}, sweep: {norm: [bn, gn]}}", "sweep: 2 (norm) x 5,001 (seeds) = 10,002 runs"),
        (f"{{data: {{urls: [{'x, ' * 90}]}}, sweep: {{train.epochs: {{from: 1, to: 9000}}}}}}",
         "sweep.train.epochs: 9,000 combinations of some 124 values each are more than can be looked at; 1,000,000"),
        (f"sweep: {{{', '.join(f'norm.k{i}: [1]' for i in range(21))}}}", "sweep: names 21 keys, and 20 are allowed"),
        (f"sweep: {{'{', '.join(f'norm.k{i}' for i in range(21))}': [[1]]}}", "sweep: names 21 keys"),
        # tune
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
         "tune: 9,000 trials of some 124 values each are more than can be looked at; 1,000,000 values are allowed"),
        ("tune: {train.lr: {from: 1, to: 9000}, seeds: [1, 2]}", "tune: 1 (cells) x 9,000 (points) x 2 (seeds) = 18,0"),
    ],
)  # fmt: skip
def test_a_wrong_experiment_is_one_sentence(tmp_path: Path, text: str, expected: str) -> None:
    (message,) = experiment_errors_of(tmp_path, f"\n{text}")
    assert message.startswith(f"my.yaml, line 2: {expected}")


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("exclude: {norm: bn}", "exclude: must be a list of mappings, such as [{norm: bn, train.batch_size: 2}]"),
        ("exclude: [bn]", "exclude: must be a list of mappings"),
        ("exclude: [{}]", "exclude: must be a list of mappings"),
        ("exclude: [{norm: bm}]", "exclude: no cell has norm: 'bm'; known: 'bn', 'gn'"),
        ("exclude: [{norm: bn, train.batch_size: 4}]", "exclude: no cell has train.batch_size: 4; known: 2, 8"),
        ("exclude: [{train.batch_size: true}]", "exclude: no cell has train.batch_size: true; known: 2, 8"),
        ("exclude: [{norm: {kind: gn, num_groups: 8}}]", "exclude: no cell of the sweep fits all of this entry"),
        ("exclude: [{norm.num_groups: 4, norm: bn}]", "exclude: no cell of the sweep fits all of this entry"),
        ("exclude: [{train.epochs: 20}]", "exclude.train.epochs: is not swept, so no cell differs in it; swept: norm,"),
        ("exclude: [{seeds: 0}]", "exclude.seeds: is not swept, so no cell differs in it"),
        ("exclude: [{norm: bn}, {norm: gn}]", "exclude: leaves no cell of the sweep to train"),
        (f"exclude: [{'{norm: bn}, ' * 501}]", "exclude: has 501 entries, 500 are allowed"),
    ],
)
def test_a_wrong_entry_of_exclude_is_one_sentence(tmp_path: Path, entry: str, expected: str) -> None:
    (message,) = experiment_errors_of(tmp_path, TWO + entry)
    assert message.startswith(f"my.yaml, line 2: {expected}")


def test_exclude_without_a_sweep(tmp_path: Path) -> None:
    (message,) = experiment_errors_of(tmp_path, "exclude: [{norm: bn}]")
    assert message == "my.yaml, line 1: exclude.norm: is not swept, so no cell differs in it; swept: nothing"


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


@pytest.mark.parametrize(
    ("flag", "expected"),
    [
        ("norm=none", "norm: is below 'sweep' (my.yaml, line 1), so that this value would never be used; give it ther"),
        ("norm.kind=none", "norm: is below 'sweep' (my.yaml, line 1), so that this value would never be used; give it"),
        ("norm.eps=1", "norm: is below 'sweep' (my.yaml, line 1), so that this value would never be used; give it the"),
        ("train.lr=1", "train.optimizer.lr: is below 'tune' (my.yaml, line 2), so that this value would never be used"),
        ("sweep.train.batch_size=3", "sweep.train.batch_size: must be a list of values, or a range"),
        ("sweep.train.bach_size=[3]", "sweep.train.bach_size: unknown key 'train.bach_size': did you mean"),
        ("sweep=[3]", "sweep: must be a mapping of keys to values"),
        ("tune.budget=x", "tune.budget: must be the number of points tried for each norm, at least 1, found 'x'"),
        ("sweep.norm=[", "sweep.norm: is not YAML: "),
    ],
)  # fmt: skip
def test_an_error_in_an_override_names_the_flag(tmp_path: Path, flag: str, expected: str) -> None:
    text = TWO.strip() + "\ntune: {train.lr: [0.1, 0.2]}"
    (message,) = experiment_errors_of(tmp_path, text, flags(flag))
    assert message.startswith(f"--set {flag}: {expected}")


def test_a_flag_and_an_axis_from_a_flag_exclude_each_other(tmp_path: Path) -> None:
    (message,) = experiment_errors_of(tmp_path, TWO, flags("norm=gn", "sweep.norm=[bn, none]"))
    assert message.startswith(
        "--set norm=gn: norm: is below 'sweep' (--set sweep.norm=[bn, none]), so that this value "
    )


def test_the_file_of_an_axis_may_have_the_key_too(tmp_path: Path) -> None:
    experiment = experiment_text(tmp_path, f"norm: {{kind: gn, num_groups: 2}}\n{TWO}")
    assert [run.norm.options.get("num_groups") for run in experiment.runs] == [None, None, 2, 2]


def test_a_swept_choice_can_be_changed_below_its_swept_option(tmp_path: Path) -> None:
    experiment = experiment_text(tmp_path, "sweep: {train.lr: [0.1, 0.2]}", flags("train.optimizer=sgd"))
    assert [run.train.optimizer.name for run in experiment.runs] == ["sgd", "sgd"]


def test_a_value_of_a_later_file_is_refused_like_a_flag(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(TWO)
    (message,) = experiment_errors_of(tmp_path, "extends: base.yaml\ntrain: {batch_size: 64}")
    assert message.startswith(
        "my.yaml, line 2: train.batch_size: is below 'sweep' (base.yaml, line 1), so that this value "
    )


@pytest.mark.parametrize("key", ["sweep: {norm: [bn, gm]}", "exclude: 3", "tune: {}"])
def test_a_command_of_one_run_names_the_one_for_many(tmp_path: Path, key: str) -> None:
    (tmp_path / "base.yaml").write_text(f"\n{key}")
    (message,) = errors_of(tmp_path, "extends: base.yaml\ntrain: {epochs: 99}")
    assert message == (
        f"base.yaml, line 2: {key.partition(':')[0]}: makes an experiment of many runs, which 'normbench sweep' "
        "trains; this command takes a config of one run"
    )
    with pytest.raises(Exception, match=r"--set sweep\.norm=\[bn\]: sweep: makes an experiment of many runs"):
        load_text(tmp_path, "name: x", flags("sweep.norm=[bn]"))


def test_a_message_stays_readable_and_quick_however_much_is_wrong(tmp_path: Path) -> None:
    start = time.perf_counter()
    found = experiment_errors_of(tmp_path, "sweep: {train.epochs: {from: 1, to: 1000}}")
    assert len(found) == 51
    assert found[-1] == "and 930 problems more"
    found = experiment_errors_of(tmp_path, "sweep: {train.epochs: {from: -9999, to: 0}}")
    assert found[-1] == "and 951 problems more"  # it stops looking
    assert time.perf_counter() - start < 20
