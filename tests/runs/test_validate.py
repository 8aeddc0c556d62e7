"""Values of the right type that a norm, the network or an optimizer refuses: found as the config is loaded."""

from pathlib import Path
from typing import Any

import pytest

from normbench.config import load_config, load_experiment
from normbench.errors import ConfigError
from normbench.runs.registries import REGISTRIES
from normbench.runs.validate import check_parts
from tests.config_fakes import Overrides, flags
from tests.outside_norms import Counted
from tests.tiny import invoke, make_folder, train_small

NORM_LAYERS = 8  # of the reference network


def errors_of(folder: Path, text: str, overrides: Overrides | None = None, *, within_budget: bool = True) -> str:
    (folder / "my.yaml").write_text(text)
    load: Any = load_experiment if "sweep" in text or "tune" in text else load_config
    with pytest.raises(ConfigError) as caught:
        load(folder / "my.yaml", REGISTRIES, overrides or [], check_parts(within_budget=within_budget))
    return str(caught.value).replace(f"{folder}/", "")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "norm:\n  kind: gn\n  num_groups: 3",
            "my.yaml, line 3: norm.num_groups: 3 does not divide the channel counts",
        ),
        ("norm:\n  kind: bn\n  eps: -1", "my.yaml, line 3: norm.eps must be above 0"),
        ("norm:\n  kind: brn\n  r_steps: 3", "my.yaml, line 3: norm.r_steps: 3 comes before norm.warmup_steps (500)"),
        ("model:\n  dropout: 1.0", "my.yaml, line 2: model: dropout must be at least 0 and below 1"),
        ("train:\n  optimizer:\n    sgd_lr: -1", "my.yaml, line 3: train.optimizer.sgd_lr must be at least 0, not -1"),
        ("train:\n  schedule:\n    warmup: 1", "my.yaml, line 3: train.schedule.warmup must be at least 0 and below 1"),
        ("data:\n  augment:\n    - name: flip\n      p: 2", "my.yaml, line 4: data.augment[0]: flip: p is 2"),
        (
            "data: {augment: [{name: translate, pixels: 32}]}",
            "my.yaml, line 1: data.augment[0]: translate: pixels is 32",
        ),
        ("\nnorm: ln-chw", "my.yaml, line 2: norm: the network has 189,482"),
        (
            "norm: tests.outside_norms:Remembering",
            "my.yaml, line 1: norm 'tests.outside_norms:Remembering': layers.",
        ),
        (
            "norm: ln-chw\nbudget:\n  max_parameters: 90000",
            "my.yaml, line 3: budget.max_parameters: the network has 189,482",
        ),
        ("budget:\n  max_epochs: null\nnorm: ln-chw", "my.yaml, line 3: norm: the network has 189,482"),
        ("sweep:\n  norm.num_groups: [4, 3]\nnorm: gn", "my.yaml, line 2: norm.num_groups: 3 does not divide"),
        ("tune:\n  train.lr: [0.1, -0.2]", "my.yaml, line 2: train.optimizer.lr must be at least 0, not -0.2"),
    ],
)
def test_a_value_that_does_not_fit_is_named_with_its_place(tmp_path: Path, text: str, expected: str) -> None:
    assert errors_of(tmp_path, text).startswith(expected)


def test_all_of_them_are_named_at_once_and_each_once(tmp_path: Path) -> None:
    text = "norm: {kind: gn, eps: 0.0}\nmodel: {dropout: 2.0}\ntrain:\n  optimizer: {lr: -1}\n  schedule: {warmup: 7}\n"
    places = [line.partition(": ")[0] for line in errors_of(tmp_path, text).splitlines()]
    assert places == [f"my.yaml, line {number}" for number in (1, 2, 4, 5)]


def test_a_flag_is_named(tmp_path: Path) -> None:
    message = errors_of(tmp_path, "norm: gn", flags("norm.num_groups=5"))
    assert message.startswith("--set norm.num_groups=5: norm.num_groups: 5 does not divide")


def test_the_command_names_the_place_and_loads_no_data(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    text = f"\nnorm: {{kind: gn, num_groups: 3}}\ndata: {{source: folder, dir: {tmp_path / 'empty'}}}"
    (tmp_path / "my.yaml").write_text(text)
    for command in (["train", "--config"], ["sweep"]):
        result = invoke(*command, tmp_path / "my.yaml", "--results", tmp_path / "results")
        assert isinstance(result.exception, ConfigError)
        assert "my.yaml, line 2: norm.num_groups: 3" in str(result.exception)
    assert not (tmp_path / "results").exists()


def test_a_network_over_the_budget_may_be_looked_at(tmp_path: Path) -> None:
    (tmp_path / "my.yaml").write_text("norm: ln-chw")
    assert load_config(tmp_path / "my.yaml", REGISTRIES, [], check_parts(within_budget=False)).norm.name == "ln-chw"
    assert invoke("summary", "--config", tmp_path / "my.yaml").exit_code == 0


def test_what_many_runs_share_is_made_once(tmp_path: Path) -> None:
    text = "sweep: {norm: ['tests.outside_norms:Counted', bn], train.batch_size: {from: 1, to: 50}}"
    (tmp_path / "my.yaml").write_text(text)
    before = Counted.made
    check = check_parts(within_budget=True)
    assert len(load_experiment(tmp_path / "my.yaml", REGISTRIES, [], check).runs) == 100
    made = Counted.made - before
    assert 0 < made <= 2 * NORM_LAYERS + 1  # a network for the norm, one for the budget, a layer to look at the norm


def test_what_does_not_fit_the_images_of_a_folder_is_named_once_they_are_known(tmp_path: Path) -> None:
    (tmp_path / "my.yaml").write_text("data: {source: folder, augment: [flip, {name: crop, padding: 40}]}")
    assert load_config(tmp_path / "my.yaml", REGISTRIES, [], check_parts(within_budget=True))
    images, results = make_folder(tmp_path / "images"), tmp_path / "results"
    result = train_small(images, results, "--config", tmp_path / "my.yaml")
    assert isinstance(result.exception, ConfigError)
    assert str(result.exception).startswith("data.augment[1]: crop: padding is 40")
    assert not [path for path in results.rglob("*") if path.name == "config.yaml"]
