"""Checks that a device trains as the CPU does, and that runs in the same steps train as runs alone."""

import statistics
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice

import torch
from scipy.special import stdtrit
from torch import Tensor

from normbench.config import Config
from normbench.data.batches import arrange, draw_epoch
from normbench.data.dataset import Dataset, Split
from normbench.errors import RunError
from normbench.norms import norm_label
from normbench.runs.build import build_recipe, new_member, task_of
from normbench.train.evaluate import infer
from normbench.train.lockstep import Lockstep
from normbench.train.loop import Diverged, Member, train_epoch
from normbench.train.passes import WAYS
from normbench.train.setting import Setting

SEEDS = 2  # of check_fp32, which trains them on the CPU too
FEW_STEPS = 5  # after more steps, differences of rounding have grown
FP32_LOSS = 1e-3  # relative
FP32_LOGITS = 1e-2
CONFIDENCE = 0.999
BF16_LOSS = 0.005  # nats; a smaller difference is allowed even if it is significant


@dataclass(frozen=True)
class Check:
    """A difference between two computations, and the largest that is allowed."""

    what: str
    label: str
    difference: float
    allowed: float

    @property
    def agrees(self) -> bool:
        return self.difference <= self.allowed  # false for NaN


def check_images(config: Config, dataset: Dataset, device: torch.device) -> Check:
    """An epoch of images augmented on `device` against the same on the CPU: none may differ."""
    there = Split(dataset.train.images.to(device), dataset.train.labels.to(device))
    differing = differing_share(config, dataset.train, there)
    return Check("augmented images that differ from the CPU's", "all norms", differing, 0.0)


def differing_share(config: Config, split: Split, other: Split) -> float:
    """The share of images and labels that differ after the config's augmentation of two copies of a split."""
    recipe = build_recipe(config)
    drawn = draw_epoch(split.images.shape, recipe.batch_size, recipe.augmentations, recipe.seed, 0)
    one, two = (arrange(each, drawn, recipe.augmentations) for each in (split, other))
    return 1 - float((_same(one.images, two.images) & _same(one.labels, two.labels)).double().mean())


def _same(one: Tensor, two: Tensor) -> Tensor:
    """By row, bool [N]."""
    return (one == two.cpu()).view(len(one), -1).all(1)


def check_fp32(configs: Sequence[Config], dataset: Dataset, device: torch.device) -> Iterator[Check]:
    """The first few steps of a few seeds on `device` against the CPU, in full float32, each way of WAYS.

    Compares the losses, and the logits after these steps.
    """
    configs = configs[:SEEDS]
    label, cpu = _label(configs), torch.device("cpu")
    with _full_float32():
        losses, logits = _first_steps(configs, dataset, cpu, "lanes")
        for way in WAYS:
            found, found_logits = _first_steps(configs, dataset, device, way)
            apart = float(((found - losses) / losses).abs().max())
            yield Check(
                f"{way}, fp32: losses of {FEW_STEPS} steps against the CPU's, relative", label, apart, FP32_LOSS
            )
            apart = float((found_logits - logits).abs().max())
            yield Check(f"{way}, fp32: logits after them against the CPU's", label, apart, FP32_LOGITS)


def check_together(
    configs: Sequence[Config],
    dataset: Dataset,
    device: torch.device,
    precision: str,
    num_steps: int,
    confidence: float = CONFIDENCE,
) -> Iterator[Check]:
    """Runs in the same steps against eager runs alone, on `device` in `precision`, each way of WAYS.

    Compares the mean loss of the first steps, seed by seed. Allowed is the half-width of the two-sided t interval for
    a mean difference of 0 over the seeds, or BF16_LOSS if that is larger.
    """
    setting = Setting(device, precision, normalization=dataset.normalization)
    eager = [_member(config, dataset, setting) for config in configs]
    alone = torch.stack([_loss_alone(member, dataset, setting, num_steps) for member in eager])
    for way in WAYS:
        members = [_member(config, dataset, setting) for config in configs]
        apart = (_losses_together(members, dataset, setting, way, num_steps) - alone).tolist()
        spread = float("inf")
        if len(apart) > 1:
            quantile = float(stdtrit(len(apart) - 1, (1 + confidence) / 2))
            spread = quantile * statistics.stdev(apart) / len(apart) ** 0.5
        what = f"{way}, {precision}: mean loss of {num_steps} steps against eager runs, {len(apart)} seeds"
        yield Check(what, _label(configs), abs(statistics.fmean(apart)), max(spread, BF16_LOSS))


def require_agreement(checks: Sequence[Check]) -> None:
    """Raises RunError if a check does not agree."""
    apart = sum(not check.agrees for check in checks)
    if apart:
        raise RunError(f"{apart} of {len(checks)} checks do not agree; see the table of checks")


def _first_steps(configs: Sequence[Config], dataset: Dataset, device: torch.device, way: str) -> tuple[Tensor, Tensor]:
    """Mean losses [S] of a few steps, and the logits [S, N, classes] of some test images after them, on the CPU."""
    setting = Setting(device, "fp32", normalization=dataset.normalization)
    members = [_member(config, dataset, setting) for config in configs]
    losses = _losses_together(members, dataset, setting, way, FEW_STEPS)
    probe = dataset.test.images[: 2 * configs[0].train.batch_size]
    return losses, torch.stack([infer(member.model, probe, setting) for member in members])


def _losses_together(members: Sequence[Member], dataset: Dataset, setting: Setting, way: str, num_steps: int) -> Tensor:
    lockstep = Lockstep(members, dataset.train, setting, way)
    for _ in islice(lockstep.train_epoch(), num_steps):
        pass
    return torch.stack([_mean_loss(member, len(dataset.train)) for member in members])


def _loss_alone(member: Member, dataset: Dataset, setting: Setting, num_steps: int) -> Tensor:
    steps = train_epoch(member.model, member.optimizer, dataset.train, member.recipe, setting, member.position)
    try:
        for _ in islice(steps, num_steps):
            pass
    except Diverged:
        return torch.tensor(float("nan"), dtype=torch.float64)
    return _mean_loss(member, len(dataset.train))


def _mean_loss(member: Member, num_images: int) -> Tensor:
    position = member.position
    return position.loss_sum.cpu() / min(position.step * member.recipe.batch_size, num_images)


def _member(config: Config, dataset: Dataset, setting: Setting) -> Member:
    return new_member(config, task_of(dataset), setting)


def _label(configs: Sequence[Config]) -> str:
    return norm_label(configs[0].norm.name, configs[0].norm.options)


@contextmanager
def _full_float32() -> Iterator[None]:
    """Switches off TF32, in which CUDA rounds the factors of float32 convs and matrix products to 10 mantissa bits."""
    convs, products = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = convs, products
