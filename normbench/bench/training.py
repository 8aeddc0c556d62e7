"""The training that is timed: the loop of `normbench train`, with its data, augmentation, optimizer and schedule."""

import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice

import torch

from normbench.bench.parts import PartClock, mark_parts
from normbench.bench.result import Timing
from normbench.config import Config
from normbench.data.dataset import Split
from normbench.data.load import load_dataset
from normbench.models.task import Task
from normbench.runs.build import new_member, task_of, training_split
from normbench.train.allocator import keep_freed_memory
from normbench.train.engine import training_network
from normbench.train.lockstep import Lockstep
from normbench.train.loop import Member, Position, StepListener, train_epoch
from normbench.train.setting import Setting


def training_timer(
    config: Config,
    precision: str,
    device: torch.device,
    num_steps: int,
    engine: str = "kernels",
    clock: PartClock | None = None,
) -> Callable[[], Timing]:
    """A function that trains `num_steps` further steps as `normbench train` does, and returns their timing.

    Every learning rate is 0: the arithmetic is the same, and no norm can diverge.
    """
    dataset = load_dataset(config.data, bar=False)
    keep_freed_memory()
    setting = Setting(device, precision, normalization=dataset.normalization, engine=engine)
    member = idle_member(config, task_of(dataset), setting)
    member.model = training_network(member.model, setting)
    clock = clock or PartClock(device)
    train = training_split(config, dataset.train, task_of(dataset))
    if device.type == "cpu":
        return timer(eager_steps(member, train, setting, clock.step_done), num_steps, clock)
    mark_parts(member.model, member.optimizer, clock)
    return timer(steps_together([member], train, setting, "lanes"), num_steps, clock)


def timer(steps: Iterator[int], num_steps: int, clock: PartClock) -> Callable[[], Timing]:
    """A function that takes `num_steps` of `steps`, an iterator over training steps that yields their image counts."""

    def measure() -> Timing:
        num_images = 0
        synchronize(clock.device)
        start = time.perf_counter()
        clock.begin("data")
        for seen in islice(steps, num_steps):
            num_images += seen
            clock.begin("data")
        synchronize(clock.device)
        seconds = time.perf_counter() - start
        return Timing(num_steps, num_images, seconds, clock.take())

    return measure


def idle_member(config: Config, task: Task, setting: Setting) -> Member:
    """A member with learning rate 0: its steps compute all they usually do, and change no weight."""
    member = new_member(config, task, setting)
    for group in member.optimizer.param_groups:
        group["lr"] = group["initial_lr"] = 0.0
    return member


def synchronize(device: torch.device) -> None:
    """Waits until the device has finished its work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def eager_steps(member: Member, split: Split, setting: Setting, listener: StepListener | None = None) -> Iterator[int]:
    """Trains epoch after epoch without end; yields the number of images after each step.

    listener: see `train_epoch`.
    """
    network = training_network(member.model, setting)
    while True:
        for _ in train_epoch(
            member.model, member.optimizer, split, member.recipe, setting, member.position, network, listener
        ):
            yield _images_of_last_step(member.position, member, split)
        member.position = Position.start_of((member.position.epoch + 1) % member.recipe.epochs, setting.device)


def steps_together(members: Sequence[Member], split: Split, setting: Setting, way: str) -> Iterator[int]:
    """Trains several members in the same steps, epoch after epoch; yields the number of images of all of them."""
    lockstep = Lockstep(members, split, setting, way)
    while True:
        first = members[0]
        for _ in lockstep.train_epoch():
            yield len(members) * _images_of_last_step(first.position, first, split)
        lockstep.start_epoch((first.position.epoch + 1) % first.recipe.epochs)


def _images_of_last_step(position: Position, member: Member, split: Split) -> int:
    batch_size = member.recipe.batch_size
    return min(batch_size, len(split) - (position.step - 1) * batch_size)
