"""The loop of PyTorch's own means: whole batches of the config's size, as often as asked."""

from pathlib import Path

import torch

from normbench.bench.torch_loop import torch_timer
from normbench.config import load_config
from normbench.runs.registries import REGISTRIES


def test_it_trains_on_whole_batches(images: Path) -> None:
    overrides = {"data.source": "folder", "data.dir": str(images), "train.batch_size": 20}
    config = load_config(None, REGISTRIES, [(key, value, "") for key, value in overrides.items()])
    measure = torch_timer(config, "bf16", torch.device("cpu"), 3, "eager")
    for found in (measure(), measure()):
        assert (found.num_steps, found.num_images, found.parts) == (3, 60, None)
        assert found.seconds > 0
