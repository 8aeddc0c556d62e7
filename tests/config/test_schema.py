"""The schema: defaults, and the plain data of a config."""

import json
import re
from pathlib import Path

import pytest
import yaml

from normbench.config import (
    Config,
    shipped_configs,
)
from normbench.config.schema import OFF, SECTIONS
from tests.config_fakes import load_text


def test_default_yaml_spells_out_every_key_with_a_comment() -> None:
    path = shipped_configs()["default"]
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    uncommented = [line for line in lines if "#" not in line]
    # A section's own line, and values that their name explains
    assert all(re.fullmatch(r" *[a-z_]+:|seeds: .*|.*(momentum|max_epochs): .*", line) for line in uncommented)
    written = yaml.safe_load(path.read_text(encoding="utf-8"))
    for path, section in SECTIONS.items():
        found = written[path[0]] if path else written
        assert found.keys() == section.model_fields.keys()


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "norm: {kind: gn, num_groups: 8, eps: 1e-3}\nseeds: [1, 2]\nbudget: {max_epochs: null}\ntrain: {epochs: 99}",
        "norm: {kind: odd, size: [4, 5], mode: b, label: '1e5', whole: 3}\ndata: {urls: ['https://a.example/c']}",
        "norm: {kind: bn, momentum: null}\ntrain: {schedule: constant, optimizer: {name: adam, lr: 1}}",
        "name: '1e5'\ndata: {dir: '2024-01-01', augment: []}",
        'name: 2024-01-01\ndata: {dir: "a: é # \\U0001F600", source: folder}',
    ],
)
def test_the_resolved_config_gives_an_equal_one(tmp_path: Path, text: str) -> None:
    config = load_text(tmp_path, text)
    again = load_text(tmp_path, yaml.safe_dump(config.to_dict(), sort_keys=False))
    assert again == config
    # 1 and 1.0 are equal but would make two run ids
    assert json.dumps(again.to_dict()) == json.dumps(config.to_dict())


def test_to_dict_is_flat_and_plain(tmp_path: Path) -> None:
    plain = load_text(tmp_path, "norm: {kind: odd, size: [4, 5]}").to_dict()
    assert plain["norm"] == {"kind": "odd", "size": [4, 5], "mode": "a", "label": "x", "whole": 1.0}
    assert plain["data"]["augment"] == [{"name": "flip", "p": 0.5}, {"name": "translate", "pixels": 2}]
    assert plain["train"]["schedule"] == {"name": "linear", "warmup": 0.2}


def test_a_key_that_is_off_is_not_written_and_has_its_value_all_the_same(tmp_path: Path) -> None:
    off = load_text(tmp_path, "train: {label_smoothing: 0, clip_grad_norm: null}")
    assert off.to_dict() == load_text(tmp_path, "{}").to_dict()
    assert off.value("train.label_smoothing") == OFF["train.label_smoothing"] == 0
    on = load_text(tmp_path, "train: {label_smoothing: 0.1, clip_grad_norm: 1}")
    assert (on.value("train.label_smoothing"), on.value("train.clip_grad_norm")) == (0.1, 1)
    assert load_text(tmp_path, yaml.safe_dump(on.to_dict())) == on
    assert on.value("train.optimizer.lr") == on.train.optimizer.options["lr"]


def test_a_config_is_frozen(tmp_path: Path) -> None:
    config = load_text(tmp_path, "{}")
    with pytest.raises(ValueError, match="frozen"):
        config.train.epochs = 3  # type: ignore[misc]


def test_one_format_of_pictures_needs_no_list() -> None:
    assert Config.model_validate({"pictures": {"formats": "pdf"}}).pictures.formats == ("pdf",)
    assert Config.model_validate({"pictures": {"formats": ["png", "svg"]}}).pictures.formats == ("png", "svg")
