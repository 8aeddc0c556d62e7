"""The training that is timed: the loop of `train`, with its data, augmentation, optimizer and schedule."""

import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice

import torch

from normbench.bench.parts import PartClock, mark_parts
from normbench.bench.result import Lap
from normbench.config import Config
from normbench.data import Split, load_dataset
from normbench.runs.build import build_network, new_member
from normbench.train.allocator import keep_freed_memory
from normbench.train.lockstep import Lockstep
from normbench.train.loop import Member, Position, train_epoch
from normbench.train.setting import Setting, choose_setting


def training_laps(config: Config, precision: str, device: torch.device, num_steps: int) -> Callable[[], Lap]:
    """A function that trains on for `num_steps` steps, as `train` does, and says how long they took.

    Every lr is 0: the arithmetic is the same, and no norm diverges before it is measured.
    """
    dataset = load_dataset(config.data, lambda text: None, bar=False)
    keep_freed_memory()
    wanted = choose_setting(build_network(config, len(dataset.class_names)), dataset.train.images, device, precision)
    member = idle_member(config, len(dataset.class_names), wanted)
    clock = PartClock(device)
    mark_parts(member.model, member.optimizer, clock)
    if device.type == "cpu":
        return laps(eager_steps(member, dataset.train, wanted), num_steps, clock)
    return laps(steps_together([member], dataset.train, wanted, "lanes"), num_steps, clock)


def laps(steps: Iterator[int], num_steps: int, clock: PartClock) -> Callable[[], Lap]:
    """A function that takes `num_steps` of the steps, which yield their number of images."""

    def lap() -> Lap:
        num_images = 0
        synchronize(clock.device)
        start = time.perf_counter()
        clock.begin("data")
        for seen in islice(steps, num_steps):
            num_images += seen
            clock.begin("data")
        synchronize(clock.device)
        seconds = time.perf_counter() - start
        return Lap(num_steps, num_images, seconds, clock.take())

    return lap


def idle_member(config: Config, num_classes: int, setting: Setting) -> Member:
    """One whose steps change no weight."""
    member = new_member(config, num_classes, setting)
    for group in member.optimizer.param_groups:
        group["lr"] = group["initial_lr"] = 0.0
    return member


def synchronize(device: torch.device) -> None:
    """Waits until the device has done all it was asked for."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def eager_steps(member: Member, split: Split, setting: Setting) -> Iterator[int]:
    """Epoch after epoch without end, each step by step; yields the number of images after each."""
    while True:
        position = member.position
        for _ in train_epoch(member.model, member.optimizer, split, member.recipe, setting, position):
            yield _images_of(position, member, split)
        member.position = Position.start_of((position.epoch + 1) % member.recipe.epochs, setting.device)


def steps_together(members: Sequence[Member], split: Split, setting: Setting, way: str) -> Iterator[int]:
    """The same for several, with all they need on the device; the number of images of all."""
    lockstep = Lockstep(members, split, setting, way)
    while True:
        first = members[0]
        for _ in lockstep.train_epoch():
            yield len(members) * _images_of(first.position, first, split)
        lockstep.start_epoch((first.position.epoch + 1) % first.recipe.epochs)


def _images_of(position: Position, member: Member, split: Split) -> int:
    """Of the step just taken."""
    batch_size = member.recipe.batch_size
    return min(batch_size, len(split) - (position.step - 1) * batch_size)
