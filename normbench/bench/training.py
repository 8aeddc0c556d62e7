"""The training that is timed: the loop of `train`, with its data, augmentation, optimizer and schedule."""

import time
from collections.abc import Callable, Iterator
from itertools import islice

import torch
from torch import nn, optim

from normbench.bench.parts import PartClock, mark_parts
from normbench.bench.result import Lap
from normbench.config import Config
from normbench.data import Split, load_dataset
from normbench.runs.registries import build_network, build_recipe
from normbench.train import OPTIMIZERS
from normbench.train.allocator import keep_freed_memory
from normbench.train.loop import Position, Recipe, set_base_lr, train_epoch
from normbench.train.setting import Setting, choose_setting


def training_laps(config: Config, precision: str, device: torch.device, num_steps: int) -> Callable[[], Lap]:
    """A function that trains on for `num_steps` steps and says how long they took.

    Every lr is 0: the arithmetic is the same, and no norm diverges before it is measured.
    """
    dataset = load_dataset(config.data, lambda text: None, bar=False)
    model = build_network(config, len(dataset.class_names))
    keep_freed_memory()
    setting = choose_setting(model, dataset.train.images, device, precision)
    model.to(device, memory_format=setting.memory_format)  # type: ignore[call-overload]
    choice = config.train.optimizer
    optimizer = OPTIMIZERS[choice.name](model, **choice.options)
    for group in optimizer.param_groups:
        group["lr"] = 0.0
    set_base_lr(optimizer)
    clock = PartClock(device)
    mark_parts(model, optimizer, clock)
    steps = _steps(model, optimizer, dataset.train, build_recipe(config), setting)

    def lap() -> Lap:
        num_images = 0
        synchronize(device)
        start = time.perf_counter()
        clock.begin("data")
        for seen in islice(steps, num_steps):
            num_images += seen
            clock.begin("data")
        synchronize(device)
        seconds = time.perf_counter() - start
        return Lap(num_steps, num_images, seconds, clock.take())

    return lap


def synchronize(device: torch.device) -> None:
    """Waits until the device has done all it was asked for."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _steps(
    model: nn.Module, optimizer: optim.Optimizer, split: Split, recipe: Recipe, setting: Setting
) -> Iterator[int]:
    """Epoch after epoch without end; yields the number of images after each step."""
    epoch = 0
    while True:
        position = Position.start_of(epoch, setting.device)
        seen = 0
        for _ in train_epoch(model, optimizer, split, recipe, setting, position):
            before, seen = seen, min(position.step * recipe.batch_size, len(split))
            yield seen - before
        epoch = (epoch + 1) % recipe.epochs
