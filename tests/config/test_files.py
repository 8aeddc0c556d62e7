"""The files of a config: which file a name means, `extends`, and merging."""

import os
import re
from pathlib import Path

import pytest

from normbench.config import (
    Choice,
    load_config,
)
from normbench.errors import ConfigError
from tests.config_fakes import FAKES, errors_of, load_text


def test_extends_merges_deeply_and_replaces_lists(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(
        "train: {epochs: 3, batch_size: 8}\nseeds: [1, 2, 3]\nnorm: {kind: gn, eps: 0.1}"
    )
    config = load_text(tmp_path, "extends: base.yaml\ntrain: {epochs: 4}\nseeds: [5]\nnorm: {num_groups: 2}")
    assert (config.train.epochs, config.train.batch_size, config.seeds) == (4, 8, (5,))
    assert config.norm == Choice("gn", {"num_groups": 2, "eps": 0.1, "affine": True})


@pytest.mark.parametrize("child", ["norm: bn", "norm: {kind: bn}"])
def test_another_kind_drops_the_parents_options(tmp_path: Path, child: str) -> None:
    (tmp_path / "base.yaml").write_text("norm: {kind: gn, num_groups: 2, eps: 0.5}")
    assert load_text(tmp_path, f"extends: base.yaml\n{child}").norm == Choice(
        "bn", {"eps": 1e-5, "momentum": 0.1, "affine": True}
    )


@pytest.mark.parametrize("child", ["norm: gn", "norm: {kind: gn}", "norm: {affine: true}"])
def test_the_same_kind_keeps_the_parents_options(tmp_path: Path, child: str) -> None:
    (tmp_path / "base.yaml").write_text("norm: {kind: gn, num_groups: 2}")
    assert load_text(tmp_path, f"extends: base.yaml\n{child}").norm.options["num_groups"] == 2


@pytest.mark.parametrize("name", ["reference", "reference.yaml"])
def test_extends_a_shipped_config(tmp_path: Path, name: str) -> None:
    assert load_text(tmp_path, f"extends: {name}\nname: mine").train == load_config("reference", FAKES).train


def test_an_error_in_the_base_names_the_base(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("\n\ntrain:\n  epohcs: 3\n")
    first, second = errors_of(tmp_path, "extends: base.yaml\nseed: 1")
    assert first.startswith("base.yaml, line 4: train.epohcs: unknown key 'epohcs': did you mean 'epochs'?")
    assert second.startswith("my.yaml, line 2: seed: unknown key 'seed': did you mean 'seeds'?")


@pytest.mark.parametrize(
    ("extends", "expected"),
    [
        ("my.yaml", "in a circle: my.yaml -> my.yaml"),
        ("b.yaml", "in a circle: my.yaml -> b.yaml -> my.yaml"),
        ("refrence.yaml", "no such file: refrence.yaml; .*did you mean 'reference'"),
        ("[a.yaml, b.yaml]", "must name one file, found a list"),
        ("null", "must name one file, found nothing"),
    ],
)
def test_extends_that_cannot_be(tmp_path: Path, extends: str, expected: str) -> None:
    (tmp_path / "b.yaml").write_text("extends: my.yaml")
    (message,) = errors_of(tmp_path, f"name: x\nextends: {extends}")
    assert re.search(rf"\.yaml, line \d: extends: .*{expected}", message)


@pytest.mark.parametrize("name", ["refrence", "refrence.yaml", "x\0y", "x" * 5000])
def test_an_unknown_config_is_answered_with_the_shipped_ones(name: str) -> None:
    with pytest.raises(ConfigError, match=r"no such config file: .*known: .*default, .*reference, ") as caught:
        load_config(name, FAKES)
    assert ("did you mean 'reference'?" in str(caught.value)) == name.startswith("refrence")


def test_a_folder_or_a_pipe_is_not_a_config(tmp_path: Path) -> None:
    """A pipe that nobody writes to would be waited for."""
    os.mkfifo(tmp_path / "pipe.yaml")
    for path, what in ((tmp_path, "a folder"), (tmp_path / "pipe.yaml", "a pipe")):
        with pytest.raises(ConfigError, match=f"it is {what}.*, not a file"):
            load_config(path, FAKES)


def test_a_file_wins_over_a_shipped_config_and_a_folder_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "reference").mkdir()
    assert load_config("reference", FAKES).name == "reference"
    (tmp_path / "reference.yaml").write_text("name: mine")
    assert load_config("reference.yaml", FAKES).name == "mine"


def test_a_file_may_extend_the_shipped_config_of_its_name(tmp_path: Path) -> None:
    (tmp_path / "default.yaml").write_text("extends: default.yaml\nnorm: gn\n")
    assert load_config(tmp_path / "default.yaml", FAKES) == load_text(tmp_path, "norm: gn")


def test_what_yaml_reads_as_a_switch_is_no_name(tmp_path: Path) -> None:
    (message,) = errors_of(tmp_path, "norm: no")
    assert "YAML reads no, yes, off and on as false and true" in message
