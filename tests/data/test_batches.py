"""The order of an epoch, its batches and their augmentation, and normalization."""

import pytest
import torch

from normbench.data.augment.registry import AUGMENTATIONS
from normbench.data.batches import (
    IMAGES_AT_ONCE,
    arrange,
    batches,
    draw_epoch,
    epoch_order,
    normalize,
    training_batches,
)
from normbench.data.dataset import Split
from normbench.data.normalization import CIFAR10_CONSTANTS
from normbench.data.streams import stream


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randint(1, 256, (24, 3, 32, 32), dtype=torch.uint8, generator=stream(0, "test images"))


def test_epoch_order_is_a_permutation_of_its_own_for_each_seed_and_epoch():
    orders = [epoch_order(1000, seed, epoch) for seed in (0, 1) for epoch in (0, 1)]
    assert all(torch.equal(order.sort().values, torch.arange(1000)) for order in orders)
    assert len({tuple(order.tolist()) for order in orders}) == 4
    assert torch.equal(orders[0], epoch_order(1000, 0, 0))


def test_batches_keep_the_last_short_one_and_the_pairs(images):
    split = Split(images, torch.arange(24))
    order = epoch_order(24, 0, 0)
    got = list(batches(split, 10, order))
    assert [len(labels) for _, labels in got] == [10, 10, 4]
    assert torch.equal(torch.cat([labels for _, labels in got]), order)
    assert torch.equal(torch.cat([batch for batch, _ in got]), images[order])
    resumed = list(batches(split, 10, order[10:]))
    assert torch.equal(resumed[0][0], got[1][0])


@pytest.mark.parametrize("name", AUGMENTATIONS)
@pytest.mark.parametrize("batch_size", [10, IMAGES_AT_ONCE // 3, IMAGES_AT_ONCE, 2 * IMAGES_AT_ONCE])
def test_a_steps_images_are_augmented_by_its_own_draws_wherever_one_begins(name, batch_size):
    number = 2 * IMAGES_AT_ONCE + 7
    images = torch.randint(0, 256, (number, 1, 9, 9), dtype=torch.uint8, generator=stream(0, "test images"))
    order, augment = epoch_order(number, 3, 1), AUGMENTATIONS[name]()
    split = Split(images, torch.rand(number, 3) if augment.mix_labels else torch.arange(number))
    whole = list(training_batches(split, batch_size, [augment], seed=3, epoch=1))
    assert [len(labels) for _, labels in whole] == [len(chosen) for chosen in order.split(batch_size)]
    for step, (chosen, (batch, labels)) in enumerate(zip(order.split(batch_size), whole, strict=True)):
        drawn = augment.draw(images[chosen].shape, stream(3, "augment", 1, step, 0))
        assert torch.equal(batch, augment.apply(images[chosen], drawn))
        expected = split.labels[chosen]
        assert torch.equal(labels, augment.mix_labels(expected, drawn) if augment.mix_labels else expected)
    for first in (1, len(whole) - 1, len(whole)):
        rest = list(training_batches(split, batch_size, [augment], seed=3, epoch=1, first_step=first))
        assert len(rest) == len(whole) - first
        assert all(torch.equal(a, b) and torch.equal(x, y) for (a, x), (b, y) in zip(rest, whole[first:], strict=True))
    at_once = arrange(split, draw_epoch(images.shape, batch_size, [augment], seed=3, epoch=1), [augment])
    assert torch.equal(at_once.images, torch.cat([batch for batch, _ in whole]))
    assert torch.equal(at_once.labels, torch.cat([labels for _, labels in whole]))
    parts = draw_epoch(images.shape, batch_size, [augment], seed=3, epoch=1).parts(100)
    assert torch.equal(torch.cat([arrange(split, part, [augment]).images for part in parts]), at_once.images)


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.bfloat16, 2**-7)])
def test_normalize_matches_the_formula(dtype, tolerance, memory_format, images):
    before = images.clone()
    out = normalize(images, CIFAR10_CONSTANTS, dtype=dtype, memory_format=memory_format)
    mean, std = (
        torch.tensor(values, dtype=torch.float64).view(1, 3, 1, 1)
        for values in (CIFAR10_CONSTANTS.mean, CIFAR10_CONSTANTS.std)
    )
    expected = (images.double() / 255 - mean) / std
    assert out.dtype == dtype
    assert out.is_contiguous(memory_format=memory_format)
    assert (out.double() - expected).abs().max() < tolerance
    assert torch.equal(images, before)
