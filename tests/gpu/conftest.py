"""The GPU of the machine, which the tests of this folder need; `run.sh` runs them."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from normbench.data.dataset import Dataset
from normbench.data.load import load_dataset
from normbench.train.machine import Machine
from tests.configs import config_for
from tests.tiny import make_folder


@pytest.fixture(scope="session")
def gpu() -> torch.device:
    """The device. `NORMBENCH_TEST_GPU=cpu` tries the tests themselves where there is no GPU."""
    name = os.environ.get("NORMBENCH_TEST_GPU", "cuda")
    if name == "cuda" and not torch.cuda.is_available():
        pytest.skip("needs an NVIDIA GPU: tests/gpu/run.sh runs it there")
    return torch.device(name)


@pytest.fixture
def machine(gpu: torch.device) -> Machine:
    return Machine(gpu, threads=2 if gpu.type == "cuda" else 1)


@pytest.fixture(scope="session")
def many_images(tmp_path_factory: pytest.TempPathFactory, gpu: torch.device) -> Path:
    """Four batches of an epoch, the last one short: a smaller batch makes more of a difference of rounding."""
    return make_folder(tmp_path_factory.mktemp("many"), num_train=64)


@pytest.fixture(scope="session")
def dataset(many_images: Path) -> Dataset:
    return load_dataset(config_for(many_images).data, bar=False)


@pytest.fixture(autouse=True)
def _frees_the_memory(gpu: torch.device) -> Iterator[None]:
    yield
    if gpu.type == "cuda":
        torch.cuda.empty_cache()
