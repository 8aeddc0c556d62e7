"""mixup and cutmix: with the same draws, the images and labels of torchvision's v2.MixUp and v2.CutMix."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms import v2

from normbench.data.augment.augmentation import Augmentation
from normbench.data.augment.mixing import cutmix, mixup
from normbench.data.streams import stream

LABELS = F.one_hot(torch.arange(6) % 4).float()
SHAPES = [(6, 3, 32, 32), (6, 1, 9, 14)]


def noise(shape: tuple[int, ...]) -> Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=stream(0, "test images"))


def mixed(augment: Augmentation, images: Tensor, drawn: Tensor) -> tuple[Tensor, Tensor]:
    assert augment.mix_labels
    return augment.apply(images, drawn), augment.mix_labels(LABELS, drawn)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("alpha", [0.2, 1.0])
@pytest.mark.parametrize("seed", range(5))
def test_mixup_is_torchvisions_to_half_a_level(shape: tuple[int, ...], alpha: float, seed: int) -> None:
    images, augment = noise(shape), mixup(alpha=alpha)
    drawn = augment.draw(images.shape, stream(seed, "augment"))
    found, labels = mixed(augment, images, drawn)
    reference, params = v2.MixUp(num_classes=4), {"lam": drawn[0, 1].item(), "labels": LABELS, "batch_size": 6}
    assert (found - reference.transform(images.double(), params)).abs().max() <= 0.5
    torch.testing.assert_close(labels, reference.transform(LABELS, params))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("alpha", [0.2, 1.0])
@pytest.mark.parametrize("seed", range(5))
def test_cutmix_is_torchvisions(shape: tuple[int, ...], alpha: float, seed: int) -> None:
    images, augment = noise(shape), cutmix(alpha=alpha)
    drawn = augment.draw(images.shape, stream(seed, "augment"))
    found, labels = mixed(augment, images, drawn)
    top, bottom, left, right = drawn[0, 2:].int().tolist()
    params = {"box": (left, top, right, bottom), "lam_adjusted": drawn[0, 1].item(), "labels": LABELS, "batch_size": 6}
    reference = v2.CutMix(num_classes=4)
    assert torch.equal(found, reference.transform(images, params))
    torch.testing.assert_close(labels, reference.transform(LABELS, params))
    assert drawn[0, 1].item() == pytest.approx(1 - (bottom - top) * (right - left) / (shape[2] * shape[3]))


@pytest.mark.parametrize("alpha", [0.2, 1.0, 3.0])
def test_the_weight_is_drawn_from_beta(alpha: float) -> None:
    """Mean 1/2, variance 1 / (8 alpha + 4)."""
    shape = torch.Size((1, 1, 2, 2))
    weights = torch.cat([mixup(alpha=alpha).draw(shape, stream(seed, "augment"))[:, 1] for seed in range(2000)])
    assert weights.mean().item() == pytest.approx(0.5, abs=5 * (weights.var().item() / 2000) ** 0.5)
    assert weights.var().item() == pytest.approx(1 / (8 * alpha + 4), rel=0.1)


def test_the_centre_of_a_box_is_drawn_from_the_whole_image() -> None:
    shape = torch.Size((1, 1, 8, 8))
    boxes = torch.cat([cutmix().draw(shape, stream(seed, "augment"))[:, 2:] for seed in range(2000)])
    top, bottom, left, right = boxes.T
    assert boxes.min() == 0
    assert boxes.max() == 8
    assert ((top <= bottom) & (left <= right)).all()
    assert 3 < ((top + bottom) / 2).mean() < 4  # centres are pixels 0..7, and a box is cut at the border
    assert 3 < ((left + right) / 2).mean() < 4


@pytest.mark.parametrize("make", [mixup, cutmix])
def test_a_batch_is_mixed_with_the_given_probability(make: type) -> None:
    shape = torch.Size((3, 1, 8, 8))
    weights = torch.stack([make(p=0.3).draw(shape, stream(seed, "augment"))[0, 1] for seed in range(1000)])
    assert (weights < 1).float().mean().item() == pytest.approx(0.3, abs=0.06)


@pytest.mark.parametrize("make", [mixup, cutmix])
def test_a_batch_of_one_stays_as_it_is(make: type) -> None:
    images, augment = noise((1, 3, 8, 8)), make()
    drawn = augment.draw(images.shape, stream(0, "augment"))
    assert torch.equal(augment.apply(images, drawn), images)
    assert torch.equal(augment.mix_labels(LABELS[:1], drawn), LABELS[:1])
