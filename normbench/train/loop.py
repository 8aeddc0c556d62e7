"""The training loop."""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn, optim
from torch.nn import functional as F

from normbench.data.augment import Augmentation
from normbench.data.batches import training_batches
from normbench.data.dataset import Split
from normbench.data.streams import stream_seed
from normbench.kernels import accelerate, normalize
from normbench.models.dropout import dropouts_of, seed_dropouts
from normbench.train.evaluate import Metrics
from normbench.train.schedules import Schedule
from normbench.train.setting import Setting

CHECK_EVERY = 50  # steps between two looks at the loss on CUDA, where each look waits for the device


@dataclass(frozen=True)
class Recipe:
    """What decides the result besides the model, the data and the optimizer."""

    epochs: int
    batch_size: int
    augmentations: Sequence[Augmentation]
    schedule: Schedule
    seed: int


@dataclass
class Position:
    """How far a run has come, with the sums of the epoch begun: with the weights, all a run needs to go on.

    No random state: every draw derives from (seed, stream, epoch, step).
    """

    epoch: int
    step: int
    loss_sum: Tensor  # float64 and int64 scalars on the device: adding to them makes no step wait for it
    num_correct: Tensor
    train_s: float

    @classmethod
    def start_of(cls, epoch: int, device: torch.device) -> "Position":
        zero = torch.zeros((), device=device)
        return cls(epoch, step=0, loss_sum=zero.double(), num_correct=zero.long(), train_s=0.0)


@dataclass
class Member:
    """A run in training: its model on the device, its optimizer, its recipe and its position."""

    model: nn.Module
    optimizer: optim.Optimizer
    recipe: Recipe
    position: Position


@dataclass(frozen=True)
class Divergence:
    """The step, counted from 0, at which the loss was seen to be no longer finite."""

    epoch: int
    step: int
    loss: float


class Diverged(Exception):
    """The training loss is no longer finite."""

    def __init__(self, at: Divergence) -> None:
        super().__init__(f"the loss is {at.loss} in epoch {at.epoch + 1}, by step {at.step + 1}")
        self.at = at


def steps_per_epoch(num_images: int, batch_size: int) -> int:
    """The last, short batch counts."""
    return math.ceil(num_images / batch_size)


def train_epoch(
    model: nn.Module,
    optimizer: optim.Optimizer,
    split: Split,
    recipe: Recipe,
    setting: Setting,
    position: Position,
) -> Iterator[Position]:
    """Trains from `position` to the end of its epoch; yields after each step.

    `position` is current whenever the caller has control, so a caller may stop after any step and go on from there
    later with the same bits. Raises Diverged when the loss is not finite.
    """
    num_images, epoch = len(split.labels), position.epoch
    num_steps = steps_per_epoch(num_images, recipe.batch_size)
    parameters, dropouts = list(model.parameters()), dropouts_of(model)
    is_random = any(layer.is_active for layer in dropouts)
    model.train()
    network = accelerate(model)
    clock = time.perf_counter()
    to_come = training_batches(split, recipe.batch_size, recipe.augmentations, recipe.seed, epoch, position.step)
    for step, (images, labels) in enumerate(to_come, start=position.step):
        inputs = normalize(images.to(setting.device), memory_format=setting.memory_format)
        labels = labels.to(setting.device)

        set_lr(optimizer, recipe, num_steps, epoch * num_steps + step)
        if is_random:
            seed_dropouts(dropouts, stream_seed(recipe.seed, "dropout", epoch, step))

        with setting.autocast():
            logits = network(inputs)
        loss = F.cross_entropy(logits.float(), labels)
        for parameter in parameters:
            parameter.grad = None  # Optimizer.zero_grad takes five times as long
        loss.backward()
        optimizer.step()

        position.loss_sum += loss.detach().double() * len(labels)
        position.num_correct += (logits.detach().argmax(dim=1) == labels).sum()
        look = setting.device.type == "cpu" or step % CHECK_EVERY == 0 or step == num_steps - 1
        if look and not math.isfinite(position.loss_sum.item()):
            raise Diverged(Divergence(epoch, step, loss.item()))
        now = time.perf_counter()
        position.train_s += now - clock
        position.step = step + 1
        yield position
        clock = time.perf_counter()


def epoch_metrics(position: Position, num_images: int) -> Metrics:
    """The training metrics of an epoch just finished: running means, in training mode, over augmented images."""
    return Metrics(
        loss=position.loss_sum.item() / num_images,
        num_errors=num_images - int(position.num_correct.item()),
        num_images=num_images,
    )


def set_base_lr(optimizer: optim.Optimizer) -> None:
    """Remembers each group's lr as the base the schedule scales (the name torch's own schedulers use)."""
    for group in optimizer.param_groups:
        group.setdefault("initial_lr", group["lr"])


def set_lr(optimizer: optim.Optimizer, recipe: Recipe, num_steps: int, step: int) -> None:
    """The lr of a step of the run, with `num_steps` an epoch."""
    factor = recipe.schedule(step, num_steps, recipe.epochs * num_steps)
    for group in optimizer.param_groups:
        group["lr"] = group["initial_lr"] * factor
