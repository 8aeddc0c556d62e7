"""Augmentations: reproducible, without side effects, and each as its formula says."""

import inspect

import pytest
import torch

from normbench.data.augment import flip, randaugment, translate
from normbench.data.augmentations import AUGMENTATIONS
from normbench.data.streams import stream
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
