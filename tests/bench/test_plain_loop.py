"""The plain loop: PyTorch's own layers, and the images that count."""

from pathlib import Path

import pytest
import torch
from torch import nn

from normbench.bench.plain_loop import plain_network, plain_timer, shared_memory_explained
from normbench.config import load_config
from normbench.errors import RunError
from normbench.models.task import CIFAR10
from normbench.runs.registries import REGISTRIES


@pytest.mark.parametrize(
    ("kind", "layer"), [("bn", nn.BatchNorm2d), ("gn", nn.GroupNorm), ("ln", nn.GroupNorm), ("in", nn.InstanceNorm2d)]
)
def test_the_layers_are_pytorchs_own(kind: str, layer: type) -> None:
    network = plain_network(load_config(None, REGISTRIES, [("norm.kind", kind, "")]), CIFAR10)
    assert [type(module) for module in network.modules() if getattr(module, "is_norm", False)] == [layer] * 8


@pytest.mark.parametrize("num_workers", [0, 1])
def test_the_clock_starts_when_each_worker_has_delivered_a_batch(num_workers: int, images: Path) -> None:
    overrides = {"data.source": "folder", "data.dir": str(images), "train.batch_size": 20, "norm.kind": "gn"}
    config = load_config(None, REGISTRIES, [(key, value, "") for key, value in overrides.items()])
    found = plain_timer(config, torch.device("cpu"), num_steps=2, num_workers=num_workers)()
    assert (found.num_steps, found.num_images, found.parts) == (2, 40, None)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError(
            "DataLoader worker (pid 7) is killed by signal: Bus error. It is possible that dataloader's workers "
            "are out of shared memory. Please try to raise your shared memory limit."
        ),
        RuntimeError("unable to write to file </torch_7_1>: No space left on device (28)"),
        FileNotFoundError(2, "No such file or directory"),
    ],
)
def test_too_little_shared_memory_names_the_way_out(error: Exception) -> None:
    with pytest.raises(RunError, match="--shm-size"), shared_memory_explained():
        raise error
    with pytest.raises(RuntimeError, match=r"^a bug$"), shared_memory_explained():
        raise RuntimeError("a bug")
