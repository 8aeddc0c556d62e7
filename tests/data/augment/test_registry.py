"""What holds for every augmentation: it is reproducible, without side effects, and refuses options by their names."""

import inspect
from math import nan

import pytest
import torch

from normbench.data.augment.registry import AUGMENTATIONS
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


NOTHING = {
    "flip": {"p": 0.0},
    "vertical_flip": {"p": 0.0},
    "translate": {"pixels": 0},
    "crop": {"padding": 0},
    "randaugment": {"p": 0.0},
    "rotate": {"degrees": 0.0},
    "shift_scale_rotate": {"p": 0.0},
    "color_jitter": {"brightness": 0.0, "contrast": 0.0, "saturation": 0.0},
    "cutout": {"length": 0},
    "coarse_dropout": {"p": 0.0},
    "mixup": {"p": 0.0},
    "cutmix": {"p": 0.0},
}
"""By augmentation, options with which it changes nothing."""


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_there_are_options_that_change_nothing(name, images):
    assert torch.equal(AUGMENTATIONS[name](**NOTHING[name])(images, stream(0, "augment")), images)


WITH_PROBABILITY = [name for name in AUGMENTATIONS if "p" in inspect.signature(AUGMENTATIONS[name]).parameters]


@pytest.mark.parametrize(
    ("name", "option", "bad", "allowed"),
    [
        *((name, "p", bad, "0..1") for name in WITH_PROBABILITY for bad in (-0.1, 1.1, nan)),
        *(("translate", "pixels", bad, "0..31 for images of 32x32") for bad in (-1, 32)),
        *(("crop", "padding", bad, "0..31 for images of 32x32") for bad in (-1, 32)),
        *(("crop", "fill", bad, "0..255") for bad in (-1, 256)),
        *((name, "alpha", bad, "above 0") for name in ("mixup", "cutmix") for bad in (-0.5, 0.0, nan)),
        *(("rotate", "degrees", bad, "0..180") for bad in (-1.0, 181.0, nan)),
        ("rotate", "interpolation", "billinear", "did you mean 'bilinear'"),
        *(("shift_scale_rotate", "shift_limit", bad, "0..1") for bad in (-0.1, 1.1)),
        *(("shift_scale_rotate", "scale_limit", bad, "0..0.9") for bad in (-0.1, 1.0)),
        ("shift_scale_rotate", "rotate_limit", 200.0, "0..180"),
        ("shift_scale_rotate", "border_mode", "reflect101", "did you mean 'reflect_101'"),
        *(("color_jitter", name, -0.1, "0..10") for name in ("brightness", "contrast", "saturation")),
        *(("color_jitter", "hue", bad, "0..0.5") for bad in (-0.1, 0.6)),
        *(("cutout", "n_holes", bad, "1..100") for bad in (0, 101)),
        *(("cutout", "length", bad, "0..64 for images of 32x32") for bad in (-1, 65)),
        *(("coarse_dropout", "max_holes", bad, "1..100") for bad in (0, 101)),
        *(("coarse_dropout", "max_height", bad, "1..32 for images of 32x32") for bad in (0, 33)),
        *(("coarse_dropout", "max_width", bad, "1..32 for images of 32x32") for bad in (0, 33)),
        *(("coarse_dropout", "min_holes", bad, "0..max_holes") for bad in (-1, 9)),
        ("coarse_dropout", "fill_value", 256, "0..255"),
        ("crop", "padding_mode", "reflekt", "did you mean 'reflect'"),
    ],
)
def test_a_bad_value_is_refused_by_name_with_what_is_allowed(name, option, bad, allowed, images):
    with pytest.raises(ConfigError) as refused:
        AUGMENTATIONS[name](**{option: bad})(images, stream(0, "augment"))
    assert all(part in str(refused.value) for part in (f"{name}: ", option, str(bad), allowed))
