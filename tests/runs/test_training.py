"""The loop over epochs with an engine that was chosen for another norm."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from normbench.config import load_config
from normbench.data.load import load_dataset
from normbench.runs.registries import REGISTRIES
from normbench.runs.run_id import folder_of
from normbench.runs.session import Session
from normbench.runs.stages import prepare
from normbench.runs.training import train
from normbench.train.compiled import CompileError
from normbench.train.machine import Machine

Begin = Callable[[str], Session]


@pytest.fixture
def begin(images: Path, tmp_path: Path) -> Begin:
    """A session of a run whose norm `torch.compile` refuses, about to be trained by it; `train.engine` is given."""

    def make(engine: str) -> Session:
        keys = {"data.source": "folder", "data.dir": str(images), "norm.kind": "tests.foreign_norms:Branches"}
        keys |= {"train.engine": engine, "train.epochs": 1, "train.precision": "fp32"}
        config = load_config(None, REGISTRIES, [(key, value, "") for key, value in keys.items()])
        folder = folder_of(config, tmp_path)
        with folder.held() as hold:
            session = prepare(
                0, config, folder, hold, load_dataset(config.data, bar=False), Machine(torch.device("cpu"))
            )
        session.setting = replace(session.setting, engine="compile")
        return session

    return make


def test_a_network_that_cannot_be_compiled_trains_without_if_the_choice_was_normbenchs(
    begin: Begin, said: list[str]
) -> None:
    session = begin("auto")
    train([session], None, lambda number, event: None)
    assert len(session.rows) == 1
    assert session.setting.engine == "kernels"  # as its record will say
    assert any(line.startswith("note: without torch.compile") for line in said)
    with pytest.raises(CompileError, match="engine"):
        train([begin("compile")], None, lambda number, event: None)
