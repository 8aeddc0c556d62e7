"""The names of choices may be written in other letters, wherever a config has them."""

from pathlib import Path

import pytest

from normbench.config import Choice, load_config, load_experiment
from normbench.runs.registries import REGISTRIES
from tests.config_fakes import FAKES, flags, load_text


def test_names_of_all_choices_are_read_in_other_letters(tmp_path: Path) -> None:
    text = (
        "norm: {kind: BN}\ndata: {source: CIFAR-10, augment: [Flip]}\n"
        "train: {optimizer: {name: SGD}, schedule: Linear}\nmodel: Reference\n"
    )
    assert load_text(tmp_path, text) == load_text(
        tmp_path,
        "norm: bn\ndata: {source: cifar10, augment: [flip]}\ntrain: {optimizer: sgd, schedule: linear}\n",
    )


def test_kind_and_name_both_name_a_choice(tmp_path: Path) -> None:
    text = "norm: {{{0}: gn, num_groups: 2}}\ntrain: {{optimizer: {{{0}: sgd, lr: 1}}, schedule: {{{0}: step}}}}\n"
    by_kind, by_name = (load_text(tmp_path, text.format(label)) for label in ("kind", "name"))
    assert by_kind == by_name and by_kind.norm.options["num_groups"] == 2
    assert load_text(tmp_path, text.format("kind"), flags("norm.name=bn", "train.optimizer.kind=muon")) == load_text(
        tmp_path, text.format("name"), flags("norm.kind=bn", "train.optimizer.name=muon")
    )


@pytest.mark.parametrize(
    ("over", "expected"),
    [
        ("norm.kind=GN", {"num_groups": 8, "affine": False}),  # the same norm keeps the options of the file
        ("norm=GN(2)", {"num_groups": 2, "affine": False}),
        ("norm=LayerNorm", {"affine": True}),  # another norm does not
    ],
)
def test_another_spelling_is_not_another_norm(tmp_path: Path, over: str, expected: dict[str, object]) -> None:
    (tmp_path / "my.yaml").write_text("norm: {kind: GroupNorm, num_groups: 8, affine: false}\n")
    options = load_config(tmp_path / "my.yaml", REGISTRIES, flags(over)).norm.options
    assert {name: options[name] for name in expected} == expected


def test_an_option_that_is_written_out_goes_before_that_of_a_label() -> None:
    overrides = [("norm.kind", "GN(8)", "--norm"), ("norm.num_groups", 2, "--groups")]
    for given in (overrides, overrides[::-1]):
        assert load_config(None, REGISTRIES, given).norm == Choice("gn", {"num_groups": 2, "eps": 1e-5, "affine": True})


def test_an_experiment_sweeps_tunes_and_excludes_by_any_name(tmp_path: Path) -> None:
    file = tmp_path / "my.yaml"
    file.write_text(
        "sweep:\n  norm: [BN, GN(8), {kind: Group_Norm, num_groups: 2}]\n"
        "  train.optimizer, train.epochs: [[SGD, 1], [Muon, 2]]\n"
        "exclude: [{norm: BatchNorm, train.optimizer.name: MUON}, {norm: GN(2), train.epochs: 1}]\n"
    )
    runs = load_experiment(file, REGISTRIES).runs
    found = [(run.norm.name, run.norm.options.get("num_groups"), run.train.optimizer.name) for run in runs]
    assert found == [("bn", None, "sgd"), ("gn", 8, "sgd"), ("gn", 8, "muon"), ("gn", 2, "muon")]


def test_a_name_that_is_listed_is_never_another(tmp_path: Path) -> None:
    registries = {**FAKES, "norm": {**FAKES["norm"], "BN": FAKES["norm"]["none"]}}
    (tmp_path / "my.yaml").write_text("norm: BN")
    assert load_config(tmp_path / "my.yaml", registries).norm.name == "BN"
