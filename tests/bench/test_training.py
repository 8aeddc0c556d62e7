"""The training that is timed: its steps, its parts, and that it changes no weight."""

from itertools import islice
from pathlib import Path

import pytest
import torch

from normbench.bench.result import PARTS
from normbench.bench.training import eager_steps, idle_member, training_timer
from normbench.config import Config, load_config
from normbench.data.load import load_dataset
from normbench.data.normalization import CIFAR10_CONSTANTS
from normbench.runs.build import task_of
from normbench.runs.registries import REGISTRIES
from normbench.train.setting import Setting

CPU = torch.device("cpu")


@pytest.fixture
def config(images: Path) -> Config:
    """48 training images in batches of 20: an epoch of three steps, the last of 8 images."""
    overrides = [("data.source", "folder", ""), ("data.dir", str(images), ""), ("train.batch_size", 20, "")]
    return load_config(None, REGISTRIES, overrides)


def test_a_timing_is_so_many_steps_of_the_training_loop(config: Config) -> None:
    measure = training_timer(config, "fp32", CPU, 4)
    first, second = measure(), measure()
    assert first.parts is not None
    assert [*first.parts] == [*PARTS]
    assert (first.num_images, second.num_images) == (20 + 20 + 8 + 20, 20 + 8 + 20 + 20)


def test_the_parts_are_within_the_timing(config: Config) -> None:
    found = training_timer(config, "fp32", CPU, num_steps=3)()
    assert found.parts is not None
    assert sum(found.parts.values()) <= found.seconds
    assert all(seconds > 0 for seconds in found.parts.values())


def test_the_lr_is_zero_however_often_the_epochs_begin_anew(config: Config) -> None:
    sgd = config.model_copy(update={"train": load_config("reference", REGISTRIES, [("train.epochs", 1, "")]).train})
    dataset, setting = load_dataset(config.data), Setting(CPU, normalization=CIFAR10_CONSTANTS)
    member = idle_member(sgd, task_of(dataset), setting)
    before = [parameter.clone() for parameter in member.model.parameters()]
    images = list(islice(eager_steps(member, dataset.train, setting), 3))
    assert images == [48, 48, 48]  # an epoch of one step, three times
    assert all(map(torch.equal, before, member.model.parameters()))
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in member.model.parameters())
