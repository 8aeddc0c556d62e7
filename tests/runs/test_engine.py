"""Which engine a run takes: as its config says, else the kernels, else what was measured once for the experiment."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from normbench.config import Choice, Config
from normbench.data.normalization import CIFAR10_CONSTANTS
from normbench.errors import ConfigError
from normbench.models.task import CIFAR10
from normbench.runs.build import build_network
from normbench.runs.engine import Decide, engine_of
from normbench.runs.machines import decided_engine
from normbench.train.engine import ENGINES
from normbench.train.setting import Setting
from tests.tiny import train_small
from tests.tiny_splits import make_raw

TRAIN = make_raw().train
BN = Choice("bn")
FOREIGN = Choice("tests.foreign_norms:Good")
LONG = {"epochs": 100, "batch_size": 4}


def engine(results: Path, norm: Choice = BN, device: str = "cpu", decide: Decide | None = None, **train: Any) -> str:
    config = Config()
    config = config.model_copy(update={"norm": norm, "train": config.train.model_copy(update=train)})
    setting = Setting(torch.device(device), normalization=CIFAR10_CONSTANTS)
    decide = decide or partial(decided_engine, results / config.name, setting.device)
    return engine_of(config, build_network(config, CIFAR10), TRAIN, setting, decide)


def test_the_config_decides_and_otherwise_the_kernels(tmp_path: Path) -> None:
    assert [engine(tmp_path, engine=each) for each in ENGINES] == list(ENGINES)
    assert engine(tmp_path, **LONG) == "kernels"
    assert engine(tmp_path, FOREIGN, epochs=1) == "kernels"
    assert not list(tmp_path.iterdir())


def test_of_a_part_from_outside_the_engine_is_measured_once(tmp_path: Path) -> None:
    found = engine(tmp_path, FOREIGN, **LONG)
    file = tmp_path / "default" / "machines.json"
    document = json.loads(file.read_text())
    (machine,) = document["machines"]
    ((name, kept),) = machine["choices"].items()
    assert name.startswith("engine.")
    assert kept == found
    machine["choices"][name] = "compile"
    file.write_text(json.dumps(document))
    assert engine(tmp_path, FOREIGN, **LONG) == "compile"


def test_on_cuda_torch_compile_is_chosen_by_the_config_or_for_a_long_run_measured(tmp_path: Path) -> None:
    assert engine(tmp_path, FOREIGN, device="cuda", engine="eager") == "kernels"
    assert engine(tmp_path, device="cuda", engine="compile") == "compile"
    assert engine(tmp_path, device="cuda", epochs=1) == "kernels"
    asked: list[str] = []

    def decide(name: str, measure: Callable[[], str]) -> str:
        asked.append(name)
        return "compile"

    assert engine(tmp_path, device="cuda", decide=decide, **LONG) == "compile"
    assert len(asked) == 1


def test_on_other_devices_there_is_no_choice(tmp_path: Path) -> None:
    assert engine(tmp_path, FOREIGN, device="mps", **LONG) == "kernels"
    with pytest.raises(ConfigError, match="engine"):
        engine(tmp_path, device="mps", engine="compile")


def test_a_run_records_another_engine_than_the_kernels(images: Path, tmp_path: Path) -> None:
    result = train_small(images, tmp_path, "--epochs", 1, "--set", "train.engine=eager")
    assert result.exit_code == 0
    assert "eager" in next(line for line in result.output.splitlines() if "machine" in line)
    (path,) = tmp_path.rglob("run.json")
    assert json.loads(path.read_text())["engine"] == "eager"
