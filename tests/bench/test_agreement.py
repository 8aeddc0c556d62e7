"""The checks of a device are worth something: what trains differently does not agree."""

from pathlib import Path
from typing import Any

import pytest
import torch

from normbench.bench.agreement import (
    Check,
    check_fp32,
    check_images,
    check_together,
    differing_share,
    require_agreement,
)
from normbench.config import Config, load_config
from normbench.data.dataset import Dataset, Split
from normbench.data.load import load_dataset
from normbench.errors import RunError
from normbench.runs.registries import REGISTRIES
from normbench.train.passes import WAYS
from tests.tiny import make_folder

CPU = torch.device("cpu")


@pytest.fixture
def config(tmp_path: Path) -> Config:
    images = make_folder(tmp_path / "images", num_train=32)
    settings = {"data.source": "folder", "data.dir": str(images), "train.batch_size": 16, "train.epochs": 1}
    return load_config("default", REGISTRIES, [(key, value, "") for key, value in settings.items()])


@pytest.fixture
def dataset(config: Config) -> Dataset:
    return load_dataset(config.data)


@pytest.mark.parametrize("value", [0.2, float("nan")])
def test_a_check_fails_beyond_what_is_allowed_and_for_no_number(value: float) -> None:
    assert not Check("loss", "BN", value, 0.1).agrees
    assert Check("loss", "BN", 0.1, 0.1).agrees


def test_a_check_that_does_not_agree_is_an_error() -> None:
    agreeing, apart = Check("images", "all norms", 0.0, 0.0), Check("loss", "BN", 0.5, 0.0)
    require_agreement([agreeing])
    with pytest.raises(RunError, match="1 of 2 checks do not agree"):
        require_agreement([agreeing, apart])


def test_the_same_images_agree_and_others_do_not(config: Config, dataset: Dataset) -> None:
    assert check_images(config, dataset, CPU).difference == 0
    mirrored = Split(dataset.train.images.flip(3), dataset.train.labels)
    assert differing_share(config, dataset.train, mirrored) > 0.9


def uphill(networks: Any, setting: Any, label_smoothing: float) -> Any:
    """A way to train together that negates every gradient."""
    run = WAYS["lanes"](networks, setting, label_smoothing)

    def other(images: Any, labels: Any) -> Any:
        found = run(images, labels)
        for network in networks:
            for parameter in network.parameters():
                parameter.grad.neg_()
        return found

    return other


def test_other_gradients_are_found(config: Config, dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    seeds = [config.for_seed(seed) for seed in range(4)]
    # With the ten seeds of the command a confidence of 0.999 finds as much.
    assert all(check.agrees for check in check_together(seeds, dataset, CPU, "fp32", 4, confidence=0.9))
    monkeypatch.setitem(WAYS, "wide", uphill)
    assert [check.agrees for check in check_fp32(seeds, dataset, CPU)] == [True, True, False, False]
    found = check_together(seeds, dataset, CPU, "fp32", 4, confidence=0.9)
    assert [check.agrees for check in found] == [True, False]
