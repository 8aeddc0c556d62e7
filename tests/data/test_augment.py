"""Augmentations, streams, order, batches and normalization."""

import inspect

import pytest
import torch

from normbench.data.augment import AUGMENTATIONS, flip, randaugment, translate
from normbench.data.batches import (
    IMAGES_AT_ONCE,
    MEAN,
    STD,
    arrange,
    batches,
    draw_epoch,
    epoch_order,
    normalize,
    training_batches,
)
from normbench.data.dataset import Split
from normbench.data.streams import stream, stream_seed
from normbench.errors import ConfigError


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randint(1, 256, (24, 3, 32, 32), dtype=torch.uint8, generator=stream(0, "test images"))


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_same_generator_state_gives_the_same_images_and_another_gives_others(name, images):
    augment = AUGMENTATIONS[name]()
    first, again, other = (augment(images, stream(seed, "augment")) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_input_and_global_random_state_are_left_alone(name, images):
    before, state = images.clone(), torch.get_rng_state()
    out = AUGMENTATIONS[name]()(images, stream(0, "augment"))
    assert torch.equal(images, before)
    assert torch.equal(torch.get_rng_state(), state)
    assert out.data_ptr() != images.data_ptr()


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_global_random_state_has_no_influence(name, images):
    torch.manual_seed(1)
    first = AUGMENTATIONS[name]()(images, stream(0, "augment"))
    torch.manual_seed(2)
    assert torch.equal(AUGMENTATIONS[name]()(images, stream(0, "augment")), first)


@pytest.mark.parametrize("shape", [(1, 3, 32, 32), (5, 1, 12, 9), (0, 3, 8, 8)])
@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_shape_and_dtype_stay(name, shape):
    images = torch.randint(0, 256, shape, dtype=torch.uint8, generator=stream(0, "shape"))
    out = AUGMENTATIONS[name]()(images, stream(0, "augment"))
    assert out.shape == images.shape
    assert out.dtype == torch.uint8
    assert out.is_contiguous()


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_options_are_keyword_only_with_defaults(name):
    parameters = list(inspect.signature(AUGMENTATIONS[name]).parameters.values())
    assert all(p.kind is p.KEYWORD_ONLY and p.default is not p.empty for p in parameters)


@pytest.mark.parametrize(("name", "option"), [("flip", "p"), ("translate", "pixels"), ("randaugment", "p")])
def test_zero_changes_nothing(name, option, images):
    assert torch.equal(AUGMENTATIONS[name](**{option: 0})(images, stream(0, "augment")), images)


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
@pytest.mark.parametrize("augment", [flip, randaugment])
def test_a_bad_probability_is_refused_by_name(augment, value):
    with pytest.raises(ConfigError, match=rf"{augment.__name__}: p is .*0\.\.1"):
        augment(p=value)


@pytest.mark.parametrize("pixels", [-1, 32])
def test_a_bad_shift_is_refused_by_name(pixels, images):
    with pytest.raises(ConfigError, match=rf"translate: pixels is {pixels}, allowed is 0\.\.31"):
        translate(pixels=pixels)(images, stream(0, "augment"))


def test_flip_mirrors_whole_images_at_the_given_rate(images):
    assert torch.equal(flip(p=1.0)(images, stream(0, "augment")), images.flip(3))
    many = images[:1].expand(4000, -1, -1, -1)
    out = flip(p=0.25)(many, stream(0, "augment"))
    mirrored = (out == images[0].flip(2)).flatten(1).all(1)
    kept = (out == images[0]).flatten(1).all(1)
    assert (mirrored ^ kept).all()
    assert abs(mirrored.float().mean().item() - 0.25) < 0.03  # 4 standard errors


@pytest.mark.parametrize("pixels", [1, 2, 31])
def test_translate_is_one_shift_of_the_image_with_black_outside(pixels, images):
    out = translate(pixels=pixels)(images, stream(3, "augment"))
    down, right = torch.randint(0, 2 * pixels + 1, (2, len(images)), generator=stream(3, "augment"))
    for image, shifted, dy, dx in zip(images, out, (pixels - down).tolist(), (pixels - right).tolist(), strict=True):
        expected = torch.zeros_like(image)
        rows, columns = (slice(max(0, d), 32 + min(0, d)) for d in (dy, dx))
        from_rows, from_columns = (slice(max(0, -d), 32 + min(0, -d)) for d in (dy, dx))
        expected[:, rows, columns] = image[:, from_rows, from_columns]
        assert torch.equal(shifted, expected)


def test_translate_reaches_every_shift_equally():
    images = torch.zeros(5000, 1, 9, 9, dtype=torch.uint8)
    images[:, 0, 4, 4] = 1
    where = translate(pixels=2)(images, stream(0, "augment")).float().mean(0)[0]
    assert (where[2:7, 2:7] - 1 / 25).abs().max() < 0.012
    assert where[2:7, 2:7].sum() == pytest.approx(1, abs=1e-5)


def test_randaugment_touches_images_at_the_given_rate_and_differently(images):
    same = images[:1].expand(400, -1, -1, -1)
    out = randaugment(p=0.25)(same, stream(0, "augment"))
    changed = (out != images[0]).flatten(1).any(1)
    # Two operations of fourteen, one of them the identity: few images that are chosen stay as they are.
    assert 0.15 < changed.float().mean().item() < 0.32
    assert len(out[changed].flatten(1).unique(dim=0)) > 20


def test_streams_differ_in_every_argument_and_are_stable():
    keys = [(0, "a"), (1, "a"), (0, "b"), (0, "a", 0), (0, "a", 1), (0, "a", 0, 0), (0, "a", 1, 23), (0, "a", 12, 3)]
    assert len({stream_seed(*key) for key in keys}) == len(keys)
    assert len({tuple(torch.randint(1000, (8,), generator=stream(*key)).tolist()) for key in keys}) == len(keys)
    assert all(0 <= stream_seed(*key) < 2**63 for key in keys)
    # blake2b-64 of '[0, "augment", 3, 17]', big endian, without its last bit: old runs must resume on new code.
    assert stream_seed(0, "augment", 3, 17) == 8565071629824489244


def test_neighbouring_streams_are_uncorrelated():
    draws = torch.stack([torch.rand(2000, generator=stream(0, "augment", step)) for step in range(20)])
    off_diagonal = torch.corrcoef(draws) - torch.eye(20)
    assert off_diagonal.abs().max() < 0.1


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
    split, order, augment = Split(images, torch.arange(number)), epoch_order(number, 3, 1), AUGMENTATIONS[name]()
    whole = list(training_batches(split, batch_size, [augment], seed=3, epoch=1))
    assert [len(labels) for _, labels in whole] == [len(chosen) for chosen in order.split(batch_size)]
    for step, (chosen, (batch, labels)) in enumerate(zip(order.split(batch_size), whole, strict=True)):
        assert torch.equal(labels, chosen)
        assert torch.equal(batch, augment(images[chosen], stream(3, "augment", 1, step, 0)))
    for first in (1, len(whole) - 1, len(whole)):
        rest = list(training_batches(split, batch_size, [augment], seed=3, epoch=1, first_step=first))
        assert len(rest) == len(whole) - first
        assert all(torch.equal(a, b) for (a, _), (b, _) in zip(rest, whole[first:], strict=True))
    at_once = arrange(split, draw_epoch(images.shape, batch_size, [augment], seed=3, epoch=1), [augment])
    assert torch.equal(at_once.images, torch.cat([batch for batch, _ in whole]))


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.bfloat16, 2**-7)])
def test_normalize_matches_the_formula(dtype, tolerance, memory_format, images):
    before = images.clone()
    out = normalize(images, dtype=dtype, memory_format=memory_format)
    mean, std = (torch.tensor(values, dtype=torch.float64).view(1, 3, 1, 1) for values in (MEAN, STD))
    expected = (images.double() / 255 - mean) / std
    assert out.dtype == dtype
    assert out.is_contiguous(memory_format=memory_format)
    assert (out.double() - expected).abs().max() < tolerance
    assert torch.equal(images, before)
