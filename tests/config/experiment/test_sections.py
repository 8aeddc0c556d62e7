"""The sections `sweep`, `exclude` and `tune` of files that extend each other, and of flags."""

from pathlib import Path

import pytest

from tests.config_fakes import experiment_errors_of, experiment_text, flags

TWO = "sweep: {norm: [bn, gn], train.batch_size: [2, 8]}\n"


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


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sweep: [norm]", "sweep: must be a mapping of keys to values, such as {norm: [bn, gn]}; found a list"),
        ("sweep: {}", "sweep: must be a mapping of keys to values, such as {norm: [bn, gn]}; found nothing in it"),
        ("tune: 3", "tune: must be a mapping of keys to values, such as {train.optimizer.lr: [0.02, 0.04], budget: 2}"),
        ("sweeep: {norm: [bn]}", "sweeep: unknown key 'sweeep': did you mean 'sweep'?"),
    ],
)  # fmt: skip
def test_a_section_that_is_no_mapping_is_refused(tmp_path: Path, text: str, expected: str) -> None:
    (message,) = experiment_errors_of(tmp_path, f"\n{text}")
    assert message.startswith(f"my.yaml, line 2: {expected}")


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
