"""Runs that differ in their seed only, trained in the same steps, with images, weights and schedule on the device."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import chain

import torch
from torch import Tensor

from normbench.data.batches import EpochDraws, arrange, draw_epoch
from normbench.data.dataset import Split
from normbench.data.streams import stream_seed
from normbench.models.dropout import dropouts_of, seed_dropouts
from normbench.models.side_by_side import separate
from normbench.train.capture import NotRecordable, State, capture
from normbench.train.compiled import CompileError
from normbench.train.loop import Divergence, Member, Position, lrs_at, set_lr, steps_per_epoch
from normbench.train.objective import clip_gradient, correct
from normbench.train.optimizers.build import joined
from normbench.train.passes import WAYS, tensors_of
from normbench.train.setting import Setting

logger = logging.getLogger(__name__)

NEVER = -1
AT_ONCE = 8192  # images: augmentations compute in floats, of which those of a whole epoch would fill a small GPU

Capture = Callable[[Callable[[], None], State, torch.device, Sequence[torch.Generator]], Callable[[], None]]
"""(step, its state, device, its generators) -> the step as one call, see `capture`."""


class Lockstep:
    """A `Stepper` of several members; on CUDA, a step of all of them is one graph.

    Each member has its own weights, order, augmentation and dropout, drawn from its seed as `train_epoch` draws them.
    It keeps its own optimizer state and position, so that it can be saved, and go on later alone or with others.
    Nothing waits for the device before the end of an epoch: a member whose loss is not finite trains on, and
    `divergence` tells the step.

    Args:
        members: at the same position.
        split: on the CPU or the device.
        way: one of WAYS, how the members' passes are computed.
        capture: how a step becomes one call; tests hand in a stand-in for CUDA's graphs.
    """

    def __init__(
        self,
        members: Sequence[Member],
        split: Split,
        setting: Setting,
        way: str = "lanes",
        capture: Capture = capture,
    ) -> None:
        device, recipe, count = setting.device, members[0].recipe, len(members)
        self.members, self._setting, self._device = members, setting, device
        self.split = Split(split.images.to(device), split.labels.to(device))
        self.num_steps = steps_per_epoch(len(split), recipe.batch_size)
        self._capture, self._is_recorded = capture, True

        # Zeros, as the first step is recorded, and rehearsed, before any image is here.
        self._images = torch.zeros(count, *split.images.shape, dtype=torch.uint8, device=device)
        self._labels = torch.zeros(count, *split.labels.shape, dtype=split.labels.dtype, device=device)
        self._offsets = torch.arange(recipe.batch_size, device=device)
        self._row = torch.zeros(1, dtype=torch.int64, device=device)  # the next step's first image
        self._step = torch.zeros(1, dtype=torch.int64, device=device)  # the next step, over the run

        self._loss_sums = torch.stack([member.position.loss_sum.to(device) for member in members])
        self._num_correct = torch.stack([member.position.num_correct.to(device) for member in members])
        self._place_sums()
        self._bad_step = torch.full((count,), NEVER, dtype=torch.int64, device=device)
        self._bad_loss = torch.zeros(count, device=device)

        # Members have one lr, unless it depends on what each is worth on the validation images.
        self._teams = [[member] for member in members] if recipe.schedule.watches else [list(members)]
        num_lrs = sum(len(team[0].optimizer.param_groups) for team in self._teams)
        # On CUDA in float32, which a step reads there. Elsewhere in float64, as an optimizer takes a Python float.
        self._lrs = torch.zeros(num_lrs, dtype=torch.float32 if device.type == "cuda" else torch.float64, device=device)
        self._lr_by_step = self._lrs.new_zeros(recipe.epochs * self.num_steps, num_lrs)
        self._optimizers = [
            joined([member.optimizer for member in team], list(lrs))
            for team, lrs in zip(self._teams, self._lrs.view(len(self._teams), -1), strict=True)
        ]
        self._models = [member.model for member in members]
        self._parameters = [list(model.parameters()) for model in self._models]
        self._pass = WAYS[way](self._models, setting, recipe.label_smoothing)
        self._clip_grad_norm = recipe.clip_grad_norm
        self._dropouts = [dropouts_of(model) for model in self._models]
        self._is_random = any(layer.is_active for layers in self._dropouts for layer in layers)
        self._generators: list[torch.Generator] = []
        if device.type == "cuda":
            for layer in chain.from_iterable(self._dropouts):
                if layer.is_active:
                    self._generators.append(torch.Generator(device))
                    layer.draw_from(self._generators[-1])
        self._calls: dict[int, Callable[[], None]] = {}
        self._drawer = ThreadPoolExecutor(1, "draw")
        self._drawn: dict[int, Future[list[EpochDraws]]] = {}

    def train_epoch(self) -> Iterator[None]:
        """As `Stepper.train_epoch`. A step is launched when this yields, and not necessarily done.

        The end of the epoch waits for the device; until then `train_s` is the time of the launches.
        """
        begun = time.perf_counter()
        positions = [member.position for member in self.members]
        epoch, first, seconds = positions[0].epoch, positions[0].step, positions[0].train_s
        batch_size = self._offsets.numel()
        self._draw(epoch)
        self._set_lrs(epoch)
        self._row.fill_(first * batch_size)
        self._step.fill_(epoch * self.num_steps + first)
        self._bad_step.fill_(NEVER)
        for model in self._models:
            model.train()
        sizes = [min(batch_size, len(self.split) - step * batch_size) for step in range(first, self.num_steps)]
        if sizes:  # none in a run that was stopped at the end of an epoch
            self._call(sizes[0])  # recorded while the epoch is drawn
        self._load(epoch)
        if epoch + 1 < self.members[0].recipe.epochs:
            self._draw(epoch + 1)  # beside the steps of this epoch
        for step, size in enumerate(sizes, first):
            call = self._call(size)
            self._setting.seed(stream_seed(self.members[0].recipe.seed, "torch", epoch, step))
            if self._is_random:
                for member, layers in zip(self.members, self._dropouts, strict=True):
                    seed_dropouts(layers, stream_seed(member.recipe.seed, "dropout", epoch, step))
            call()
            if step == self.num_steps - 1:
                self._end_epoch(epoch)
            for position in positions:
                position.step = step + 1
                position.train_s = seconds + time.perf_counter() - begun
            yield

    def start_epoch(self, epoch: int) -> None:
        """As `Stepper.start_epoch`."""
        self._loss_sums.zero_()
        self._num_correct.zero_()
        for member in self.members:
            member.position = Position.start_of(epoch, self._device, member.position.watched)
        self._place_sums()

    def divergence(self, number: int) -> Divergence | None:
        """As `Stepper.divergence`; waits for the device."""
        at = int(self._bad_step[number])
        if at == NEVER:
            return None
        return Divergence(at // self.num_steps, at % self.num_steps, float(self._bad_loss[number]))

    def finish(self) -> None:
        """As `Stepper.finish`; each member's model then has memory of its own again."""
        self._calls.clear()
        self._drawer.shutdown(wait=False, cancel_futures=True)
        for layer in chain.from_iterable(self._dropouts):
            layer.draw_from(None)
        for model in self._models:
            model.zero_grad(set_to_none=True)
        separate(self._models)

    def _one_step(self, size: int) -> None:
        """A whole step of `size` images a member.

        Its tensors never move, as a graph requires; `_row` and `_step` on the device select the batch and the lr.
        """
        rows = self._row + self._offsets[:size]
        labels = self._labels.index_select(1, rows)
        losses, logits = self._pass(self._images.index_select(1, rows), labels)
        self._lrs.copy_(self._lr_by_step.index_select(0, self._step).squeeze(0))
        for parameters in self._parameters:
            clip_gradient(parameters, self._clip_grad_norm)
        for optimizer in self._optimizers:
            optimizer.step()
        with torch.no_grad():
            self._loss_sums += losses.double() * size
            self._num_correct += correct(logits, labels).sum(1)
            went_bad = ~self._loss_sums.isfinite() & (self._bad_step == NEVER)
            self._bad_step.copy_(torch.where(went_bad, self._step, self._bad_step))
            self._bad_loss.copy_(torch.where(went_bad, losses, self._bad_loss))
            self._row += size
            self._step += 1

    def _state(self) -> list[Tensor]:
        """The tensors that `_one_step` changes and a later step reads."""
        states = chain.from_iterable(optimizer.state.values() for optimizer in self._optimizers)
        by_optimizer = [value for state in states for value in state.values()]
        own = [self._loss_sums, self._num_correct, self._bad_step, self._bad_loss, self._row, self._step]
        return [*tensors_of(self._models), *(value for value in by_optimizer if isinstance(value, Tensor)), *own]

    def _call(self, size: int) -> Callable[[], None]:
        """The recorded step for `size` images: one for full batches, one for the last, short batch."""
        if size not in self._calls:
            step = partial(self._one_step, size)
            try:
                self._calls[size] = self._capture(step, self._state, self._device, self._generators)
            except NotRecordable as error:
                if self._setting.engine == "compile":  # without a recording it is slower than PyTorch's layers with one
                    raise CompileError(f"its step is not one CUDA graph: {error}") from error
                if self._is_recorded:
                    self._is_recorded = False
                    logger.info(f"the training step is not one CUDA graph, and slower for it: {error}")
                self._calls[size] = step
        return self._calls[size]

    def _load(self, epoch: int) -> None:
        """Arranges the epoch's images and labels for each member: in its order, and augmented."""
        self._draw(epoch)
        for number, (member, drawn) in enumerate(zip(self.members, self._drawn.pop(epoch).result(), strict=True)):
            start = 0
            for part in drawn.parts(AT_ONCE):
                arranged = arrange(self.split, part, member.recipe.augmentations)
                rows = slice(start, start + len(arranged))
                self._images[number, rows], self._labels[number, rows] = arranged.images, arranged.labels
                start = rows.stop

    def _draw(self, epoch: int) -> None:
        """Begins to draw an epoch in a thread, unless it has begun. Streams have names: no draw depends on when."""
        if epoch not in self._drawn:
            batch_size, shape = self._offsets.numel(), self.split.images.shape
            recipes = [member.recipe for member in self.members]
            self._drawn[epoch] = self._drawer.submit(
                lambda: [draw_epoch(shape, batch_size, it.augmentations, it.seed, epoch) for it in recipes]
            )

    def _end_epoch(self, epoch: int) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        for member in self.members:  # their rows of metrics.csv have the last step's lr
            last_step = (epoch + 1) * self.num_steps - 1
            set_lr(member.optimizer, member.recipe, self.num_steps, last_step, member.position.watched)

    def _set_lrs(self, epoch: int) -> None:
        """Puts the lr of each team, parameter group and step of the epoch where the steps read it."""
        steps = range(epoch * self.num_steps, (epoch + 1) * self.num_steps)
        firsts = [team[0] for team in self._teams]

        def lrs(step: int) -> list[float]:
            by_team = (lrs_at(it.optimizer, it.recipe, self.num_steps, step, it.position.watched) for it in firsts)
            return list(chain.from_iterable(by_team))

        self._lr_by_step[steps.start : steps.stop].copy_(torch.tensor([*map(lrs, steps)], dtype=self._lrs.dtype))

    def _place_sums(self) -> None:
        """Makes each position's sums views into the sums of all members, which the step adds to."""
        for number, member in enumerate(self.members):
            member.position.loss_sum = self._loss_sums[number]
            member.position.num_correct = self._num_correct[number]
