"""The two ways to take the steps of an epoch, behind one interface: eager for a run alone, in lockstep for several."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from normbench.data.dataset import Split
from normbench.train.engine import training_network
from normbench.train.lockstep import Lockstep
from normbench.train.loop import Diverged, Divergence, Member, Position, steps_per_epoch, train_epoch
from normbench.train.setting import Setting


class Stepper(Protocol):
    """Trains its members by an epoch at a time, from the position they share.

    `split` has the training images where the stepper keeps them, on the CPU or the device.
    """

    split: Split
    num_steps: int

    def train_epoch(self) -> Iterator[None]:
        """Trains to the end of the members' epoch; yields after each step, with every position current."""

    def divergence(self, number: int) -> Divergence | None:
        """Where in the epoch just trained the loss of a member was no longer finite; None if it was to the end."""

    def start_epoch(self, epoch: int) -> None:
        """Moves every member to the start of an epoch, counted from 0."""

    def finish(self) -> None:
        """Frees what only training needs. The members can then be evaluated and saved."""


class Eager:
    """One run, its steps called one by one: the stepper of devices without CUDA graphs."""

    def __init__(self, member: Member, split: Split, setting: Setting) -> None:
        self.split, self._member, self._setting = split, member, setting
        self.num_steps = steps_per_epoch(len(split), member.recipe.batch_size)
        self._network = training_network(member.model, setting)
        self._divergence: Divergence | None = None

    def train_epoch(self) -> Iterator[None]:
        """As `Stepper.train_epoch`; ends early once the loss is not finite."""
        one = self._member
        try:
            for _ in train_epoch(
                one.model, one.optimizer, self.split, one.recipe, self._setting, one.position, self._network
            ):
                yield
        except Diverged as error:
            self._divergence = error.at

    def divergence(self, number: int) -> Divergence | None:
        return self._divergence

    def start_epoch(self, epoch: int) -> None:
        watched = self._member.position.watched
        self._member.position = Position.start_of(epoch, self._setting.device, watched)

    def finish(self) -> None:
        pass


def stepper_for(members: Sequence[Member], split: Split, setting: Setting, way: str | None) -> Stepper:
    """The stepper of members that stand at the same position.

    `way`: one of WAYS, how several members train together; None for one member alone, which trains by a recorded step
    on CUDA and eagerly elsewhere.
    """
    if way is None and setting.device.type != "cuda":
        (member,) = members
        return Eager(member, split, setting)
    return Lockstep(members, split, setting, way or "lanes")
