"""Flags that ask for several runs, through the real entry point and as overrides of a config."""

import json
import sys
from pathlib import Path

import pytest

from normbench.cli.several import by_overrides, default_name, each_once, norms_override, whole_numbers
from normbench.cli.sweep import same_command
from normbench.config import load_experiment
from normbench.errors import ConfigError
from normbench.runs.registries import REGISTRIES
from tests.tiny import invoke


def test_values_stand_apart_or_with_commas_between_them() -> None:
    assert each_once(["bn, gn", "GN(4, eps=0.1),ln", "bn"]) == ["bn", "gn", "GN(4, eps=0.1)", "ln"]
    assert whole_numbers(["0,1", "7", "1"], "--seed") == [0, 1, 7]
    assert each_once(None) == whole_numbers(None, "--seed") == []


@pytest.mark.parametrize("text", ["x", "1.5", "1e3", "²", "1 2"])
def test_a_seed_that_is_no_whole_number_is_named(text: str) -> None:
    with pytest.raises(ConfigError, match="--seed"):
        whole_numbers([text], "--seed")


def test_flags_span_the_matrix_of_a_yaml() -> None:
    overrides = [*norms_override(["bn", "gn"], 8), *by_overrides(["train.batch_size=8,32", "train.batch_size=2"])]
    experiment = load_experiment(None, REGISTRIES, [*overrides, ("seeds", [0, 1], "--seeds 2")])
    assert list(experiment.axes) == ["norm", "train.batch_size"]
    assert experiment.axes["train.batch_size"] == (8, 32, 2)
    assert len(experiment.runs) == 2 * 3 * 2
    assert {run.norm.options.get("num_groups") for run in experiment.runs if run.norm.name == "gn"} == {8}


def test_values_may_be_a_yaml_list_or_a_range() -> None:
    overrides = by_overrides(["data.augment=[[], [flip]]", "train.epochs={from: 1, to: 3}"])
    experiment = load_experiment(None, REGISTRIES, overrides)
    assert experiment.axes["train.epochs"] == (1, 2, 3)
    assert len(experiment.axes["data.augment"]) == 2


@pytest.mark.parametrize("text", ["train.batch_size", "=3", "train.batch_size=", "norm=bn,gn"])
def test_by_needs_a_key_and_values(text: str) -> None:
    with pytest.raises(ConfigError, match="--by"):
        by_overrides([text])


def test_the_usual_name_tells_what_is_swept() -> None:
    assert default_name(by_overrides(["train.batch_size=8,32", "../x=1"])) == "sweep-batch_size"
    assert default_name([]) == "sweep"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("sweep",), "normbench sweep --norm bn --norm gn"),
        (("sweep", "-n", "bn", "--by", "train.batchsize=8,32"), "did you mean 'train.batch_size'"),
        (("sweep", "-n", "bn", "--by", "train.batch_size=0,8"), "train.batch_size: must be at least 1, found 0"),
        (("sweep", "-n", "bn,gm", "--seeds", 2), "unknown norm 'gm'"),
        (("sweep", "-n", "bn,gn", "--name", "../x"), "--name ../x: name"),
        (("train", "-n", "bn,ln", "--groups", 4), "none of the norms bn, ln has groups"),
        (("train", "-s", "0", "-s", "-1"), "--seed 0 --seed -1: seeds[1]"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_trained(arguments: tuple[object, ...], said: str) -> None:
    result = invoke(*arguments)
    assert isinstance(result.exception, ConfigError)
    assert said in str(result.exception)


def test_train_with_several_norms_trains_and_compares_them(images: Path, tmp_path: Path) -> None:
    small = ("--data", "folder", "--data-dir", images, "--epochs", 1, "--batch-size", 8, "--results", tmp_path)
    result = invoke("train", "-n", "BN", "-n", "ln", "-s", "3", "--name", "mine", *small)
    assert result.exit_code == 0, result.output
    found = {path.parent.name: json.loads(path.read_text()) for path in tmp_path.rglob("run.json")}
    assert sorted((record["label"], record["seed"]) for record in found.values()) == [("BN", 3), ("LN", 3)]
    assert len({record["precision"] for record in found.values()}) == 1
    assert "Test Acc" in result.output
    assert f"folder  {tmp_path / 'mine'}" in result.output
    assert "normbench compare" in result.output
    alone = invoke("train", "-n", "bn", "-s", "3", "--name", "mine", *small)  # the same runs, in the same folder
    assert "finished already" in alone.output
    began = {name: record["started_at"] for name, record in found.items()}
    assert invoke("train", "-n", "bn,ln", "-s", "3", "--name", "mine", "--restart", *small).exit_code == 0
    again = {path.parent.name: json.loads(path.read_text()) for path in tmp_path.rglob("run.json")}
    assert again.keys() == found.keys()
    assert all(again[name]["started_at"] > began[name] for name in began)
    assert invoke("train", "-n", "bn", "--set", "seeds=[3, 4]", "--name", "mine", *small).exit_code == 0
    (new,) = {path.parent.name: json.loads(path.read_text()) for path in tmp_path.rglob("run.json")}.keys() - again
    assert new.startswith("bn-s4-"), "all seeds that a config names are trained"


def test_the_command_to_go_on_is_the_same_without_restart(monkeypatch: pytest.MonkeyPatch) -> None:
    flags = ["train", "-n", "GN(4, eps=0.1)", "--restart", "--results", "my runs"]
    monkeypatch.setattr(sys, "argv", ["somewhere/normbench", *flags])
    assert same_command() == "normbench train -n 'GN(4, eps=0.1)' --results 'my runs'"
