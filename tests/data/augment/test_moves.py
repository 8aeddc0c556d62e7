"""Augmentations that move whole images: each as its formula says, and as torchvision's."""

import pytest
import torch
from torchvision.transforms import functional as tv

from normbench.data.augment.moves import crop, flip, translate, vertical_flip
from normbench.data.streams import stream


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randint(1, 256, (24, 3, 32, 32), dtype=torch.uint8, generator=stream(0, "test images"))


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


def test_vertical_flip_turns_whole_images_upside_down(images):
    assert torch.equal(vertical_flip(p=1.0)(images, stream(0, "augment")), images.flip(2))


@pytest.mark.parametrize("padding", [1, 4, 8])
@pytest.mark.parametrize("mode", ["constant", "edge", "reflect", "symmetric"])
@pytest.mark.parametrize("shape", [(6, 3, 32, 32), (6, 1, 9, 14)])
def test_crop_pads_and_cuts_a_window_as_torchvision_does(padding, mode, shape):
    images = torch.randint(0, 256, shape, dtype=torch.uint8, generator=stream(0, "test images"))
    augment = crop(padding=padding, padding_mode=mode, fill=7)
    drawn = augment.draw(images.shape, stream(3, "augment"))
    for image, found, (top, left) in zip(images, augment.apply(images, drawn), drawn.tolist(), strict=True):
        padded = tv.pad(image, [padding], 7, mode)
        assert torch.equal(found, tv.crop(padded, top, left, *shape[2:]))
