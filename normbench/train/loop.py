"""The training loop of one run, step by step, and the state that it moves on."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn, optim

from normbench.data.augment.augmentation import Augmentation
from normbench.data.batches import training_batches
from normbench.data.dataset import Split
from normbench.data.streams import stream_seed
from normbench.kernels.step import Done
from normbench.models.dropout import dropouts_of, seed_dropouts
from normbench.train.engine import training_network
from normbench.train.evaluate import Metrics
from normbench.train.machine import sum_dtype
from normbench.train.objective import clip_gradient, correct, cross_entropy
from normbench.train.schedules import Moment, Schedule
from normbench.train.setting import Setting
from normbench.train.whole_step import whole_step

StepListener = Callable[[float, float, float], object]
"""(seconds of the forward pass, of loss and backward pass, of clipping and optimizer)."""

CHECK_EVERY = 50  # steps between two checks of the loss on CUDA, where each check waits for the device


@dataclass(frozen=True)
class Recipe:
    """The settings of a run that decide its result besides model, data and optimizer."""

    epochs: int
    batch_size: int
    augmentations: Sequence[Augmentation]
    schedule: Schedule
    seed: int
    label_smoothing: float = 0.0
    clip_grad_norm: float | None = None


@dataclass
class Position:
    """How far a run has come, and the sums of the epoch in progress.

    With the weights and the optimizer's state, it is all that a run needs to go on. It holds no random state: every
    draw derives from (seed, stream, epoch, step).
    """

    epoch: int
    """Finished epochs."""
    step: int
    """Finished steps of the epoch in progress."""
    loss_sum: Tensor
    """Loss summed over the images of the epoch, a scalar of `sum_dtype` on the device: no step waits for it."""
    num_correct: Tensor
    """Correct predictions of the epoch, an int64 scalar on the device."""
    train_s: float
    """Seconds that the steps of the epoch took."""
    watched: tuple[float, ...] = ()
    """What the schedule watches, if it does, after each finished epoch."""

    @classmethod
    def start_of(cls, epoch: int, device: torch.device, watched: tuple[float, ...] = ()) -> "Position":
        zero = torch.zeros((), device=device)
        return cls(epoch, 0, loss_sum=zero.to(sum_dtype(device)), num_correct=zero.long(), train_s=0.0, watched=watched)


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
    """Steps of an epoch; the last, short batch is one."""
    return math.ceil(num_images / batch_size)


def train_epoch(
    model: nn.Module,
    optimizer: optim.Optimizer,
    split: Split,
    recipe: Recipe,
    setting: Setting,
    position: Position,
    network: nn.Module | None = None,
    listener: StepListener | None = None,
) -> Iterator[Position]:
    """Trains from `position` to the end of its epoch; yields after each step.

    network: computes the steps of `model`, see `training_network`, which makes it otherwise. After the first step the
    kernels take the others as a whole where they can, with the same bits: hooks and settings that the network gets
    later count from the next epoch on. listener: hears what the parts of each step took, on
    a device that computes while it is called, as a CPU does.

    After a step `position` is up to date: a caller may stop there and go on later with the same bits. Raises Diverged
    when the loss is not finite.
    """
    num_images, epoch, whole = len(split.labels), position.epoch, None
    num_steps = steps_per_epoch(num_images, recipe.batch_size)
    parameters, dropouts = list(model.parameters()), dropouts_of(model)
    is_random = any(layer.is_active for layer in dropouts)
    model.train()
    network = network or training_network(model, setting)
    clock, first = time.perf_counter(), position.step
    to_come = training_batches(split, recipe.batch_size, recipe.augmentations, recipe.seed, epoch, first)
    for step, (images, labels) in enumerate(to_come, start=first):
        labels = labels.to(setting.device)
        set_lr(optimizer, recipe, num_steps, epoch * num_steps + step, position.watched)
        if whole is None or whole.draws_globally:
            setting.seed(stream_seed(recipe.seed, "torch", epoch, step))
        if is_random:
            seed_dropouts(dropouts, stream_seed(recipe.seed, "dropout", epoch, step))

        lrs = [group["lr"] for group in optimizer.param_groups]
        done = whole(images, labels, lrs, position.loss_sum, position.num_correct) if whole else None
        if done is None:
            whole = None  # its memory is for full batches: a short one has its own
            inputs = setting.inputs(images)
            begun = time.perf_counter()
            with setting.autocast():
                logits = network(inputs)
            forward_done = time.perf_counter()
            loss = cross_entropy(logits, labels, recipe.label_smoothing)
            for parameter in parameters:
                parameter.grad = None  # a fifth of the time of Optimizer.zero_grad
            loss.backward()
            backward_done = time.perf_counter()
            clip_gradient(parameters, recipe.clip_grad_norm)
            optimizer.step()
            seconds = forward_done - begun, backward_done - forward_done, time.perf_counter() - backward_done
            done = Done(loss.detach().to(position.loss_sum.dtype), seconds)
            position.loss_sum += done.loss * len(labels)
            position.num_correct += correct(logits.detach(), labels).sum()
            if step == first:
                whole = whole_step(
                    network,
                    optimizer,
                    images,
                    setting.normalization,
                    inputs,
                    labels,
                    recipe.label_smoothing,
                    recipe.clip_grad_norm,
                )
        if listener:
            listener(*done.seconds)

        on_cpu = setting.device.type == "cpu"
        look = on_cpu or step % CHECK_EVERY == 0 or step == num_steps - 1
        if look and not math.isfinite(done.loss if on_cpu else position.loss_sum):
            raise Diverged(Divergence(epoch, step, float(done.loss)))
        now = time.perf_counter()
        position.train_s += now - clock
        position.step = step + 1
        yield position
        clock = time.perf_counter()


def epoch_metrics(position: Position, num_images: int) -> Metrics:
    """The training metrics of the epoch just finished: means over its augmented images, in training mode.

    The loss is the one that was minimized, with smoothed labels where the recipe smooths them.
    """
    return Metrics(
        loss=position.loss_sum.item() / num_images,
        num_errors=num_images - int(position.num_correct.item()),
        num_images=num_images,
    )


def set_base_lr(optimizer: optim.Optimizer) -> None:
    """Stores each group's lr as `initial_lr`, which the schedule scales; PyTorch's schedulers use the same name."""
    for group in optimizer.param_groups:
        group.setdefault("initial_lr", group["lr"])


def set_lr(
    optimizer: optim.Optimizer, recipe: Recipe, num_steps: int, step: int, watched: Sequence[float] = ()
) -> None:
    """Sets the lr of a step, counted over the whole run; `num_steps`: steps of an epoch."""
    for group, lr in zip(optimizer.param_groups, lrs_at(optimizer, recipe, num_steps, step, watched), strict=True):
        group["lr"] = lr


def lrs_at(
    optimizer: optim.Optimizer, recipe: Recipe, num_steps: int, step: int, watched: Sequence[float]
) -> list[float]:
    """The lr of each parameter group at a step."""
    moment = Moment(step, num_steps, recipe.epochs, watched)
    return [recipe.schedule.lr(group["initial_lr"], moment) for group in optimizer.param_groups]
