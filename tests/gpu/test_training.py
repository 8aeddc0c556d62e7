"""What a GPU trains: every norm as on the CPU, alone and together, interrupted and resumed."""

import os
import signal
from pathlib import Path

import pytest
import torch

from normbench.bench.agreement import BF16_LOSS, check_fp32, check_images, check_together, require_agreement
from normbench.data.dataset import Dataset
from normbench.errors import Interrupted
from normbench.norms import NORMS
from normbench.runs.events import EpochDone, Event
from normbench.runs.execute import train_group, train_run
from normbench.runs.read import read_epochs
from normbench.runs.run_id import folder_of
from normbench.train.machine import Machine
from normbench.train.passes import WAYS
from tests.configs import config_for
from tests.tiny import invoke

pytestmark = pytest.mark.cuda

SEEDS = (0, 1, 2)


def test_images_are_augmented_as_on_the_cpu(many_images: Path, dataset: Dataset, gpu: torch.device) -> None:
    require_agreement([check_images(config_for(many_images), dataset, gpu)])


@pytest.mark.parametrize("norm", NORMS)
def test_each_norm_trains_as_on_the_cpu_in_each_way_and_as_one_graph(
    norm: str, many_images: Path, dataset: Dataset, gpu: torch.device, said: list[str]
) -> None:
    # By SGD: Muon makes of a small gradient as long a step as of a large one, and so of a difference of rounding.
    sgd = {"optimizer.name": "sgd", "optimizer.lr": 0.01}
    configs = [config_for(many_images, norm, seed, **sgd) for seed in SEEDS[:2]]
    require_agreement(list(check_fp32(configs, dataset, gpu)))
    assert not [line for line in said if "not one CUDA graph" in line]


@pytest.mark.parametrize("norm", ["bn", "gn"])
def test_runs_together_in_bf16_have_the_losses_of_eager_runs(
    norm: str, many_images: Path, dataset: Dataset, gpu: torch.device
) -> None:
    configs = [config_for(many_images, norm, seed) for seed in SEEDS]
    require_agreement(list(check_together(configs, dataset, gpu, "bf16", num_steps=5)))


@pytest.mark.parametrize("way", [None, *WAYS])
def test_runs_that_were_interrupted_go_on_as_undisturbed(
    way: str | None, many_images: Path, dataset: Dataset, machine: Machine, tmp_path: Path
) -> None:
    configs = [config_for(many_images, "bn", seed, precision="fp32") for seed in SEEDS[: 1 if way is None else 2]]

    def stop(number: int, event: Event) -> None:
        if number == 0 and isinstance(event, EpochDone):
            os.kill(os.getpid(), signal.SIGINT)

    whole, cut = ([(config, folder_of(config, tmp_path / name)) for config in configs] for name in ("whole", "cut"))
    expected = train_group(whole, dataset, machine, way=way)
    with pytest.raises(Interrupted):
        train_group(cut, dataset, machine, way=way, report=stop)
    found = train_group(cut, dataset, machine, way=way)
    for number, (_, folder) in enumerate(cut):
        ours, theirs = (read_epochs(at, runs[number]) for at, runs in ((folder, found), (whole[number][1], expected)))
        assert [row["train_loss"] for row in ours] == pytest.approx([row["train_loss"] for row in theirs], rel=1e-3)
        assert folder.picture("curves", "png").exists()


def test_a_run_in_bf16_is_finished_with_its_files(
    many_images: Path, dataset: Dataset, machine: Machine, tmp_path: Path
) -> None:
    config = config_for(many_images, "gn")
    record = train_run(config, folder_of(config, tmp_path), dataset, machine)
    assert record.device == machine.device.type
    assert record.metrics is not None
    assert record.metrics.train.loss > 0


def test_a_sweep_measures_how_seeds_train_together_and_draws_their_pictures(
    many_images: Path, gpu: torch.device, tmp_path: Path
) -> None:
    words = ("--data", "folder", "--data-dir", many_images, "--epochs", 1, "--batch-size", 60, "--device", gpu.type)
    result = invoke("sweep", "seeds", "--norm", "bn", "--set", "seeds=[0,1]", *words, "--results", tmp_path)
    assert result.exit_code == 0, result.output
    for name in ("run.json", "curves.png", "misclassified.png"):
        assert len(list(tmp_path.rglob(name))) == 2, name
    assert not list(tmp_path.rglob("checkpoint*"))


def test_runs_whose_steps_are_compiled_train_as_by_pytorchs_layers(
    many_images: Path, dataset: Dataset, machine: Machine, tmp_path: Path
) -> None:
    """The last test: it takes as long as the compiler."""

    def losses(engine: str) -> list[float]:
        configs = [config_for(many_images, "bn", seed, engine=engine, epochs=1) for seed in SEEDS[:2]]
        runs = [(config, folder_of(config, tmp_path / engine)) for config in configs]
        records = train_group(runs, dataset, machine, way="lanes")
        assert {record.engine for record in records.values()} == {engine}
        return [read_epochs(folder, records[number])[-1]["train_loss"] for number, (_, folder) in enumerate(runs)]

    assert losses("compile") == pytest.approx(losses("kernels"), abs=4 * BF16_LOSS)  # seed by seed
