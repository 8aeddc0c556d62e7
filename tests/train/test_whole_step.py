"""A training step as one call of the kernels: the bits of its parts called one after the other."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn, optim

from normbench.data.augment.augmentation import Augmentation
from normbench.data.dataset import Split
from normbench.data.normalization import CIFAR10_CONSTANTS
from normbench.kernels import without_kernels
from normbench.kernels.update import Update
from normbench.models.dropout import Dropout
from normbench.models.registry import MODELS, build
from normbench.models.task import Task
from normbench.norms import NORMS
from normbench.train.loop import Position, Recipe, set_base_lr, train_epoch
from normbench.train.optimizers.muon import Muon
from normbench.train.optimizers.registry import OPTIMIZERS
from normbench.train.optimizers.sgd import SGD
from normbench.train.schedules import SCHEDULES
from normbench.train.setting import Setting
from tests.kernel_ops import needs_compiler

CPU = torch.device("cpu")
BF16 = Setting(CPU, "bf16", normalization=CIFAR10_CONSTANTS)
NUM_STEPS = 5  # of which the last has a short batch


class Trained:
    """An epoch of a small network. `num_parted` of its steps called the optimizer, as a step in parts does."""

    def __init__(
        self,
        norm: str = "bn",
        optimizer: str = "muon",
        dropout: float = 0.1,
        labels: Callable[[Tensor], Tensor] = lambda classes: classes,
        prepare: Callable[[nn.Module, optim.Optimizer], object] = lambda model, optimizer: None,
        **recipe: Any,
    ) -> None:
        self.model = build(lambda: MODELS["reference"](NORMS[norm](), Task(3, (3, 8, 8)), dropout=dropout), seed=0)
        self.model.to(memory_format=BF16.memory_format)
        self.optimizer = OPTIMIZERS[optimizer](self.model)
        set_base_lr(self.optimizer)
        prepare(self.model, self.optimizer)
        generator = torch.Generator().manual_seed(1)
        images = torch.randint(0, 256, (4 * NUM_STEPS - 1, 3, 8, 8), generator=generator, dtype=torch.uint8)
        split = Split(images, torch.arange(len(images)) % 3)
        as_they_are = Augmentation(lambda shape, generator: torch.zeros(shape[0]), lambda images, draws: images)
        mixed = Augmentation(as_they_are.draw, as_they_are.apply, lambda classes, draws: labels(classes))
        self.position, self.seconds, self.num_parted = Position.start_of(0, CPU), list[tuple[float, ...]](), 0
        if isinstance(self.optimizer, SGD | Muon):
            self.optimizer.update = self.counted(self.optimizer.update)  # type: ignore[method-assign]
        self.recipe = Recipe(2, 4, [mixed], SCHEDULES["linear"](), seed=5, **recipe)
        for _ in train_epoch(
            self.model,
            self.optimizer,
            split,
            self.recipe,
            BF16,
            self.position,
            listener=lambda *seconds: self.seconds.append(seconds),
        ):
            pass

    def counted(self, update: Callable[[], Update | None]) -> Callable[[], Update | None]:
        def call() -> Update | None:
            self.num_parted += 1
            return update()

        return call

    @property
    def is_whole(self) -> bool:
        """Whether all steps were one call but the first and the short one; the optimizer is asked once for these."""
        return self.num_parted == 3

    def state(self) -> list[Tensor]:
        by_parameter = [value for state in self.optimizer.state.values() for value in state.values()]
        return [*self.model.state_dict().values(), *by_parameter, self.position.loss_sum, self.position.num_correct]


def watched(model: nn.Module, optimizer: optim.Optimizer) -> None:
    """By somebody who is to hear each step: the parts are then called one after the other."""
    optimizer.register_step_pre_hook(lambda *arguments: None)


def shares(classes: Tensor) -> Tensor:
    return nn.functional.one_hot(classes, 3) * 0.75 + torch.tensor([0.0, 0.25, 0.0])


@needs_compiler
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"norm": "gn", "optimizer": "sgd", "clip_grad_norm": 0.1, "dropout": 0.0},
        {"norm": "ln", "label_smoothing": 0.1, "labels": shares},
        {"norm": "none", "clip_grad_norm": 1e-3},
    ],
    ids=("plain", "clipped by sgd", "smooth labels", "no norm"),
)
def test_one_call_has_the_bits_of_its_parts(options: dict[str, Any]) -> None:
    whole, parts = Trained(**options), Trained(**options, prepare=watched)
    assert (whole.is_whole, parts.num_parted) == (True, NUM_STEPS)
    assert [all(part > 0 for part in seconds) for seconds in whole.seconds] == [True] * NUM_STEPS
    for one, other in zip(whole.state(), parts.state(), strict=True):
        assert torch.equal(one, other)


@needs_compiler
def test_masks_from_torchs_own_generator_have_the_bits_of_steps_in_parts() -> None:
    def by_pytorch(model: nn.Module, optimizer: optim.Optimizer) -> None:
        for parent in list(model.modules()):
            for name, layer in parent.named_children():
                if isinstance(layer, Dropout):
                    setattr(parent, name, nn.Dropout(0.2))

    def watched_by_pytorch(model: nn.Module, optimizer: optim.Optimizer) -> None:
        by_pytorch(model, optimizer)
        watched(model, optimizer)

    whole, parts = Trained(prepare=by_pytorch), Trained(prepare=watched_by_pytorch)
    assert (whole.is_whole, parts.num_parted) == (True, NUM_STEPS)
    for one, other in zip(whole.state(), parts.state(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize(
    "prepare",
    [
        watched,
        lambda model, optimizer: model.register_forward_hook(lambda *arguments: None),
        lambda model, optimizer: model.layers.stem[1].register_forward_hook(lambda *arguments: None),
        lambda model, optimizer: model.layers.stem[0].weight.register_hook(lambda gradient: gradient),
        lambda model, optimizer: model.layers.stem[0].weight.register_post_accumulate_grad_hook(lambda weight: None),
    ],
)
def test_nobody_who_listens_is_passed_over(prepare: Callable[[nn.Module, optim.Optimizer], object]) -> None:
    assert Trained(prepare=prepare).num_parted == NUM_STEPS


@pytest.mark.parametrize("options", [{"optimizer": "adamw"}, {"norm": "dyt"}])
def test_what_the_kernels_do_not_cover_is_left_to_pytorch(options: dict[str, str]) -> None:
    assert not Trained(**options).is_whole


def test_no_step_is_one_call_without_kernels() -> None:
    with without_kernels():
        assert not Trained().is_whole


@needs_compiler
def test_a_frozen_weight_stays_as_it_is() -> None:
    def freeze(model: nn.Module, optimizer: optim.Optimizer) -> None:
        model.layers.stem[0].weight.requires_grad_(requires_grad=False)

    one, other = Trained(optimizer="sgd", prepare=freeze), Trained(optimizer="sgd")
    assert one.is_whole
    fresh = build(lambda: MODELS["reference"](NORMS["bn"](), Task(3, (3, 8, 8)), dropout=0.1), seed=0)
    assert torch.equal(one.model.layers.stem[0].weight, fresh.layers.stem[0].weight)
    assert not torch.equal(other.model.layers.stem[0].weight, fresh.layers.stem[0].weight)
