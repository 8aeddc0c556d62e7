"""RandAugment of a batch: every operation's pixels are torchvision's, and so is the distribution of the draws."""

from collections import Counter
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torchvision.transforms import RandAugment

from normbench.data.augment.randaugment import NUM_ROUNDS, NUM_VARIANTS, apply, draw, randaugment
from normbench.data.streams import stream

TORCHVISIONS = ("identity", "shear x", "shear y", "translate x", "translate y", "rotate")
TORCHVISIONS += ("brightness", "color", "contrast", "sharpness", "posterize", "solarize", "autocontrast", "equalize")
OURS = ("identity", "shear x", "shear y", "translate x", "translate y", "rotate", "brightness", "posterize", "solarize")
OURS += ("color", "contrast", "sharpness", "autocontrast", "equalize")

Loaded = Callable[[Tensor, int], Tensor]


@pytest.fixture
def torchvisions(monkeypatch: pytest.MonkeyPatch) -> Loaded:
    """torchvision's transform of one image with loaded dice: they fall on the operation and sign of our variant."""

    def transform(image: Tensor, variant: int) -> Tensor:
        faces = {len(TORCHVISIONS): TORCHVISIONS.index(OURS[variant // 2]), 2: variant % 2}
        with monkeypatch.context() as patched:
            patched.setattr(torch, "randint", lambda high, size: torch.full(size, faces[high]))
            return RandAugment(num_ops=1)(image)

    return transform


def noise(*shape: int) -> Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=stream(0, "noise"))


def smooth(num_images: int, height: int = 32, width: int = 32) -> Tensor:
    """Like photographs: neighbours are alike, histograms uneven, and some values do not occur."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    number = torch.arange(num_images * 3).view(num_images, 3, 1, 1)
    waves = torch.sin(x / (3 + number) + number) * torch.cos(y / (4 + number % 5)) * (20 + 35 * (number % 4))
    return (waves + 60 + 13 * (number % 11)).clamp(0, 255).to(torch.uint8)


def uniform() -> Tensor:
    """Planes of one value, of two, and all black and white: where autocontrast and equalize divide by nothing."""
    images = torch.zeros(5, 3, 32, 32, dtype=torch.uint8)
    images[1] = 255
    images[2] = torch.tensor([3, 130, 255], dtype=torch.uint8).view(3, 1, 1)
    images[3, :, 0, 0] = 9
    images[4, 0, :16] = 200
    return images


IMAGES = {
    "noise": noise(24, 3, 32, 32),
    "smooth": smooth(24),
    "smooth without contrast": smooth(8) // 6 + 100,
    "uniform": uniform(),
    "grey": noise(6, 1, 32, 32),
    "wide": smooth(4, 20, 33),
    "high": noise(4, 3, 11, 7),
    "tiny": noise(4, 3, 2, 5),
}


@pytest.mark.parametrize("variant", range(NUM_VARIANTS), ids=lambda variant: f"{OURS[variant // 2]} {variant % 2}")
def test_the_pixels_of_each_operation_are_torchvisions(variant: int, torchvisions: Loaded) -> None:
    for name, images in IMAGES.items():
        expected = torch.stack([torchvisions(image, variant) for image in images])
        assert torch.equal(apply(images, torch.full((len(images), 1), variant)), expected), name


def test_each_image_gets_its_own_operations_in_their_order(torchvisions: Loaded) -> None:
    images = torch.cat([IMAGES["noise"], IMAGES["smooth"], uniform()])
    variants = torch.randint(NUM_VARIANTS, (len(images), 3), generator=stream(0, "variants"))
    variants[::5] = 0
    before = images.clone()
    out = apply(images, variants)
    for image, row, found in zip(images, variants.tolist(), out, strict=True):
        for variant in row:
            image = torchvisions(image, variant)
        assert torch.equal(found, image)
    assert torch.equal(images, before)
    assert out.is_contiguous()


def test_two_draws_an_image_uniform_over_operations_and_signs() -> None:
    assert 2 * len(TORCHVISIONS) == NUM_VARIANTS
    num_images = 56_000
    variants = draw(num_images, stream(0, "draws"), p=0.5)
    assert variants.shape == (num_images, NUM_ROUNDS)
    touched = variants[variants.any(dim=1)]
    # A chosen image draws the variant 0 twice, and so looks like one not chosen, once in 28².
    assert len(touched) / num_images == pytest.approx(0.5 * (1 - NUM_VARIANTS**-2), abs=0.01)  # 4.7 standard errors
    for column in touched.T:
        counts = torch.bincount(column, minlength=NUM_VARIANTS)
        assert len(counts) == NUM_VARIANTS
        # 27 degrees of freedom: mean 27, and 64 is exceeded with probability 1e-4
        assert ((counts - len(touched) / NUM_VARIANTS) ** 2 / (len(touched) / NUM_VARIANTS)).sum() < 64
    pairs = Counter(map(tuple, (touched // 2).tolist()))
    assert len(pairs) == len(TORCHVISIONS) ** 2
    assert max(pairs.values()) < 1.5 * len(touched) / len(pairs)  # 143 expected, standard error 12


def test_what_is_drawn_is_what_is_done() -> None:
    images = IMAGES["noise"]
    expected = apply(images, draw(len(images), stream(5, "augment"), p=0.5))
    assert torch.equal(randaugment(p=0.5)(images, stream(5, "augment")), expected)


def test_randaugment_touches_images_at_the_given_rate_and_differently() -> None:
    same = IMAGES["noise"][:1].expand(400, -1, -1, -1)
    out = randaugment(p=0.25)(same, stream(0, "augment"))
    changed = (out != same[0]).flatten(1).any(1)
    # Two operations of fourteen, one of them the identity: few images that are chosen stay as they are.
    assert 0.15 < changed.float().mean().item() < 0.32
    assert len(out[changed].flatten(1).unique(dim=0)) > 20
