"""A config is loaded complete."""

from pathlib import Path

import pytest

from normbench.config import Budget, Choice, DataConfig, TrainConfig, load_config
from tests.config_fakes import FAKES, errors_of, flags, load_text


def test_default_yaml_equals_the_defaults_in_the_code(tmp_path: Path) -> None:
    assert load_config("default", FAKES) == load_text(tmp_path, "name: default")
    assert load_config(None, FAKES) == load_config("default.yaml", FAKES)


def test_reference_yaml_is_the_reference_recipe() -> None:
    config = load_config("reference", FAKES)
    assert (config.name, config.seeds, config.model.options) == ("reference", (0,), {"dropout": 0.02})
    assert config.train == TrainConfig(
        epochs=20,
        batch_size=64,
        precision="auto",
        optimizer=Choice("sgd", {"lr": 0.01, "momentum": 0.9, "nesterov": False, "weight_decay": 0.0}),
        schedule=Choice("step", {"step_size": 8, "gamma": 0.1}),
    )
    assert config.data == DataConfig(augment=(Choice("randaugment", {"p": 0.25}),))
    assert config.budget == Budget(max_parameters=49_999, max_epochs=20)


def test_a_choice_has_all_its_options(tmp_path: Path) -> None:
    config = load_text(tmp_path, "norm: gn")
    assert config.norm == Choice("gn", {"num_groups": 4, "eps": 1e-5, "affine": True})
    assert config.data.augment == (Choice("flip", {"p": 0.5}), Choice("translate", {"pixels": 2}))
    assert load_text(tmp_path, "seeds: [3, 1]").seed == 3


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
