"""Pictures drawn in the process of a sweep: all of them at its end, none after it was stopped at once."""

from pathlib import Path

import pytest
import torch

from normbench.config import Config
from normbench.data.load import load_dataset
from normbench.runs.execute import train_group
from normbench.runs.folder import RunFolder
from normbench.runs.run_id import folder_of
from normbench.sweeps.pictures import drawing, drawn_beside
from normbench.train.machine import Machine
from tests.configs import config_for

MACHINE = Machine(torch.device("cpu"), threads=1, precision="fp32")
PICTURES = {"curves.png", "misclassified.png"}


@pytest.fixture
def runs(images: Path, tmp_path: Path) -> list[tuple[Config, RunFolder]]:
    """Finished but for their pictures."""
    configs = [config_for(images, "gn", seed, epochs=1) for seed in range(3)]
    runs = [(config, folder_of(config, tmp_path)) for config in configs]
    train_group(runs, load_dataset(configs[0].data), MACHINE, way="lanes", pictures=False)
    assert not any(pictures(folder) for _, folder in runs)
    return runs


def pictures(folder: RunFolder) -> set[str]:
    return PICTURES & {file.name for file in folder.path.iterdir()}


def test_leaving_waits_for_all_pictures(runs: list[tuple[Config, RunFolder]]) -> None:
    with drawing(load_dataset(runs[0][0].data)) as draw:
        for run in runs:
            draw(*run)
    for _, folder in runs:
        assert pictures(folder) == PICTURES
        assert not folder.checkpoint.exists()


def test_an_exception_leaves_the_others_to_the_next_command(runs: list[tuple[Config, RunFolder]]) -> None:
    dataset = load_dataset(runs[0][0].data)
    with pytest.raises(KeyboardInterrupt), drawing(dataset) as draw:
        for run in runs:
            draw(*run)
        raise KeyboardInterrupt
    drawn = [pictures(folder) == PICTURES for _, folder in runs]
    assert drawn == [not folder.checkpoint.exists() for _, folder in runs]
    assert not all(drawn)


def test_only_a_gpu_is_spared_the_pictures() -> None:
    assert drawn_beside(Machine(torch.device("cuda")))
    assert not drawn_beside(MACHINE)
