"""The loop: stopped anywhere and continued it ends with the same bits; sums are exact; divergence is seen."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from normbench.data.augment.augmentation import Augmentation
from normbench.data.batches import normalize, training_batches
from normbench.data.dataset import Split
from normbench.data.normalization import CIFAR10_CONSTANTS
from normbench.data.streams import stream_seed
from normbench.kernels.library import without_kernels
from normbench.models.dropout import dropouts_of, seed_dropouts
from normbench.models.registry import MODELS, build
from normbench.models.task import Task
from normbench.norms import NORMS
from normbench.runs.checkpoint import from_bytes, load_into, to_bytes
from normbench.train.evaluate import evaluate, infer
from normbench.train.loop import (
    Diverged,
    Member,
    Position,
    Recipe,
    epoch_metrics,
    set_base_lr,
    steps_per_epoch,
    train_epoch,
)
from normbench.train.machine import sum_dtype
from normbench.train.optimizers.registry import OPTIMIZERS
from normbench.train.probe import faster_precision
from normbench.train.schedules import SCHEDULES
from normbench.train.setting import Setting
from normbench.train.steppers import Eager, stepper_for
from tests.checkpoints import make_checkpoint

CPU = torch.device("cpu")
FP32 = Setting(CPU, "fp32", normalization=CIFAR10_CONSTANTS)
NUM_IMAGES, BATCH = 20, 8  # three steps an epoch, the last one short


def tiny_split(seed: int = 0) -> Split:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (NUM_IMAGES, 3, 32, 32), generator=generator, dtype=torch.uint8)
    return Split(images, torch.arange(NUM_IMAGES) % 3)


class Run:
    """A model, its optimizer and its position, as `runs` holds them."""

    def __init__(self, norm: str = "bn", optimizer: str = "sgd", lr: float = 0.05, epochs: int = 2) -> None:
        self.model = build(lambda: MODELS["reference"](NORMS[norm](), Task(3, (3, 32, 32)), dropout=0.1), seed=0)
        self.model.to(memory_format=FP32.memory_format)
        self.optimizer_name, self.optimizer = optimizer, OPTIMIZERS[optimizer](self.model, lr=lr)
        set_base_lr(self.optimizer)
        self.position = Position.start_of(0, CPU)
        self.recipe = Recipe(epochs, BATCH, [shifted], SCHEDULES["linear"](), seed=5)
        self.steps_done = 0

    def train(self, stop_after: int | None = None) -> "Run":
        """To the end, or until `stop_after` steps."""
        while self.position.epoch < self.recipe.epochs:
            for _ in train_epoch(self.model, self.optimizer, tiny_split(), self.recipe, FP32, self.position):
                self.steps_done += 1
                if self.steps_done == stop_after:
                    return self
            self.position = Position.start_of(self.position.epoch + 1, CPU)
        return self

    def checkpoint(self) -> bytes:
        return to_bytes(make_checkpoint(self.model, self.optimizer, self.position))

    def continued(self) -> "Run":
        """A new run from this one's checkpoint."""
        checkpoint = from_bytes(self.checkpoint(), CPU)
        fresh = Run(optimizer=self.optimizer_name)
        load_into(checkpoint, fresh.model, fresh.optimizer)
        fresh.position = checkpoint.position
        return fresh


def roll(images: torch.Tensor, drawn: torch.Tensor) -> torch.Tensor:
    return torch.stack([image.roll(int(by), dims=2) for image, by in zip(images, drawn, strict=True)])


# A random augmentation: if its draws were not repeated after a stop, the bits would differ.
shifted = Augmentation(lambda shape, generator: torch.randint(0, 32, shape[:1], generator=generator), roll)


def weights(model: nn.Module) -> list[torch.Tensor]:
    return list(model.state_dict().values())


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("stop_after", [1, 3, 4])
def test_a_run_stopped_and_continued_ends_with_the_same_bits(optimizer: str, stop_after: int) -> None:
    undisturbed = Run(optimizer=optimizer).train()
    stopped = Run(optimizer=optimizer).train(stop_after)
    assert stopped.steps_done == stop_after
    continued = stopped.continued().train()
    for a, b in zip(weights(undisturbed.model), weights(continued.model), strict=True):
        assert torch.equal(a, b)


def test_the_training_metrics_of_an_epoch_cut_in_two_are_those_of_the_whole() -> None:
    def first_epoch(run: Run) -> Position:
        for _ in train_epoch(run.model, run.optimizer, tiny_split(), run.recipe, FP32, run.position):
            pass
        return run.position

    whole, cut = first_epoch(Run()), first_epoch(Run().train(stop_after=2).continued())
    assert epoch_metrics(whole, NUM_IMAGES) == epoch_metrics(cut, NUM_IMAGES)


def test_every_image_is_seen_once_an_epoch() -> None:
    run = Run()
    assert steps_per_epoch(NUM_IMAGES, BATCH) == 3
    seen: list[torch.Tensor] = []
    run.recipe = Recipe(1, BATCH, [], SCHEDULES["constant"](), seed=5)
    run.model.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    run.train()
    assert [len(images) for images in seen] == [8, 8, 4]
    images = normalize(tiny_split().images, CIFAR10_CONSTANTS)
    same = (torch.cat(seen)[:, None] == images[None]).flatten(2).all(2)
    assert (same.sum(0) == 1).all()
    assert (same.sum(1) == 1).all()
    assert not same.diagonal().all()


def test_training_metrics_are_means_over_images_not_over_batches() -> None:
    run = Run(lr=0.0, epochs=1)
    run.recipe = Recipe(1, BATCH, [], SCHEDULES["constant"](), seed=5)
    task = Task(3, (3, 32, 32))
    run.model = build(lambda: MODELS["reference"](NORMS["gn"](), task), seed=0)  # the same in train and eval mode
    run.optimizer = OPTIMIZERS["sgd"](run.model, lr=0.0)
    set_base_lr(run.optimizer)
    for _ in train_epoch(run.model, run.optimizer, tiny_split(), run.recipe, FP32, run.position):
        pass
    training = epoch_metrics(run.position, NUM_IMAGES)
    evaluated = evaluate(infer(run.model, tiny_split().images, FP32), tiny_split().labels)
    assert training.num_errors == evaluated.num_errors
    assert training.loss == pytest.approx(evaluated.loss, rel=2e-3)  # the logits are rounded to float16


def test_labels_are_smoothed_and_the_gradient_is_clipped_as_torch_does_it() -> None:
    """A plain loop of a notebook has the same weights, to the bit, and reports the same loss."""
    run, theirs, loss_sum = Run(), Run(), 0.0
    run.recipe = Recipe(1, BATCH, [], SCHEDULES["constant"](), seed=5, label_smoothing=0.2, clip_grad_norm=0.5)
    with without_kernels():
        for _ in train_epoch(run.model, run.optimizer, tiny_split(), run.recipe, FP32, run.position):
            pass
        for step, (images, labels) in enumerate(training_batches(tiny_split(), BATCH, [], seed=5, epoch=0)):
            seed_dropouts(dropouts_of(theirs.model), stream_seed(5, "dropout", 0, step))
            theirs.optimizer.zero_grad()
            logits = theirs.model.train()(normalize(images, CIFAR10_CONSTANTS, memory_format=FP32.memory_format))
            loss = nn.CrossEntropyLoss(label_smoothing=0.2)(logits, labels)
            loss.backward()
            assert nn.utils.clip_grad_norm_(theirs.model.parameters(), 0.5) > 0.5
            theirs.optimizer.step()
            loss_sum += loss.item() * len(labels)
    assert all(map(torch.equal, weights(run.model), weights(theirs.model)))
    assert epoch_metrics(run.position, NUM_IMAGES).loss == pytest.approx(loss_sum / NUM_IMAGES, rel=1e-12)


class NoFloat64(TorchDispatchMode):
    """As on Apple's GPUs: no tensor is in float64."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        wide = [each for each in tree_leaves(out) if isinstance(each, torch.Tensor) and each.dtype == torch.float64]
        assert not wide, func
        return out


def test_a_device_without_float64_trains_step_by_step() -> None:
    run, mps = Run(epochs=1), torch.device("mps")
    run.recipe = replace(run.recipe, augmentations=[])  # they are on the CPU
    run.position.loss_sum = torch.zeros((), dtype=sum_dtype(mps))
    one = Member(run.model, run.optimizer, run.recipe, run.position)
    assert isinstance(stepper_for([one], tiny_split(), replace(FP32, device=mps), None), Eager)
    with without_kernels(), NoFloat64():
        for _ in train_epoch(run.model, run.optimizer, tiny_split(), run.recipe, FP32, run.position):
            pass
    assert 0 < epoch_metrics(run.position, NUM_IMAGES).loss < 10


def test_a_loss_that_is_not_finite_raises() -> None:
    with pytest.raises(Diverged) as caught:
        Run(norm="none", lr=1e6).train()
    assert caught.value.at.epoch in (0, 1)


@pytest.mark.parametrize("batch_size", [1, 3, 7, 20, 500])
def test_evaluation_counts_exactly_at_any_batch_size(batch_size: int) -> None:
    model, split = Run().model, tiny_split()
    logits = infer(model, split.images, FP32, batch_size)
    model.eval()
    from normbench.data.batches import normalize

    with torch.no_grad():
        expected = model(normalize(split.images, CIFAR10_CONSTANTS, memory_format=FP32.memory_format))
    assert torch.allclose(logits, expected, atol=2e-3)
    metrics = evaluate(logits, split.labels)
    assert metrics.num_errors == sum(int(row.argmax()) != int(y) for row, y in zip(logits, split.labels, strict=True))
    assert metrics.num_images == NUM_IMAGES
    assert metrics.loss == pytest.approx(nn.functional.cross_entropy(logits.double(), split.labels).item(), rel=1e-12)


def test_logits_survive_float16() -> None:
    logits = infer(Run().model, tiny_split().images, FP32)
    assert torch.equal(logits, logits.half().float())


def test_auto_precision_leaves_model_and_random_state_alone() -> None:
    run = Run()
    before, state = [tensor.clone() for tensor in weights(run.model)], torch.get_rng_state()
    assert faster_precision(run.model, tiny_split().images, FP32) in ("fp32", "bf16")
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(a, b) for a, b in zip(before, weights(run.model), strict=True))


@pytest.mark.parametrize(("is_there", "precision"), [(True, "bf16"), (False, "fp32")])
def test_auto_precision_on_a_gpu_is_what_its_hardware_has(
    is_there: bool, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: is_there)
    gpu = Setting(torch.device("cuda"), normalization=CIFAR10_CONSTANTS)
    assert faster_precision(Run().model, tiny_split().images, gpu) == precision
