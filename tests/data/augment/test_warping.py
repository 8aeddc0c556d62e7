"""rotate and shift_scale_rotate: with the same draws, torchvision's pixels, and beyond the border the formula's."""

import numpy as np
import pytest
import torch
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as tv

from normbench.data.augment.augmentation import Augmentation
from normbench.data.augment.warping import rotate, shift_scale_rotate
from normbench.data.streams import stream

MODES = {"nearest": InterpolationMode.NEAREST, "bilinear": InterpolationMode.BILINEAR}
SHAPES = [(12, 3, 32, 32), (12, 1, 9, 14), (12, 3, 20, 7)]


def noise(shape: tuple[int, ...]) -> Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=stream(0, "test images"))


def torchvisions(image: Tensor, drawn: list[float], interpolation: str, fill: int = 0) -> Tensor:
    """tv.affine in float64 with what `fill` adds at the border; its angles are clockwise."""
    angle, scale, right, down = drawn
    moved = tv.affine(image.double() - fill, -angle, [right, down], scale, [0.0, 0.0], MODES[interpolation])
    return moved + fill


def found_and_drawn(augment: Augmentation, images: Tensor) -> tuple[Tensor, list[list[float]]]:
    drawn = augment.draw(images.shape, stream(3, "augment"))
    return augment.apply(images, drawn), drawn.tolist()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("fill", [0, 90])
@pytest.mark.parametrize(
    "make",
    [
        lambda interpolation, fill: rotate(degrees=180.0, interpolation=interpolation, fill=fill),
        lambda interpolation, fill: shift_scale_rotate(
            shift_limit=0.3, scale_limit=0.5, interpolation=interpolation, border_mode="constant", value=fill, p=1.0
        ),
    ],
    ids=["rotate", "shift_scale_rotate"],
)
def test_pixels_are_torchvisions(make, fill: int, shape: tuple[int, ...]) -> None:
    """Bilinear to one level of 255. Nearest to the pixel, but where a source lies half-way between two of them."""
    images = noise(shape)
    found, drawn = found_and_drawn(make("bilinear", fill), images)
    for image, ours, choices in zip(images, found, drawn, strict=True):
        assert (ours - torchvisions(image, choices, "bilinear", fill)).abs().max() <= 1
    found, drawn = found_and_drawn(make("nearest", fill), images)
    expected = [torchvisions(image, choices, "nearest", fill) for image, choices in zip(images, drawn, strict=True)]
    assert (found == torch.stack(expected)).double().mean() > 0.999


@pytest.mark.parametrize("interpolation", MODES)
def test_a_quarter_turn_counter_clockwise_is_exact(interpolation: str) -> None:
    images, augment = noise((2, 3, 16, 16)), rotate(degrees=90.0, interpolation=interpolation)
    turned = augment.apply(images, torch.tensor([[90.0, 1.0, 0.0, 0.0], [-90.0, 1.0, 0.0, 0.0]]).double())
    assert torch.equal(turned[0], images[0].rot90(1, (1, 2)))
    assert torch.equal(turned[1], images[1].rot90(-1, (1, 2)))


@pytest.mark.parametrize(
    ("border_mode", "numpys"), [("replicate", "edge"), ("reflect", "symmetric"), ("reflect_101", "reflect")]
)
def test_beyond_the_border_stand_the_pixels_that_opencv_puts_there(border_mode: str, numpys: str) -> None:
    images = noise((2, 3, 9, 7))
    drawn = torch.tensor([[0.0, 1.0, 5.0, -3.0], [0.0, 1.0, -20.0, 30.0]]).double()  # whole pixels to the right, down
    found = shift_scale_rotate(border_mode=border_mode).apply(images, drawn)
    padded = np.pad(images.numpy(), [(0, 0), (0, 0), (40, 40), (40, 40)], mode=numpys)
    for number, (right, down) in enumerate(drawn[:, 2:].int().tolist()):
        expected = padded[number, :, 40 - down : 49 - down, 40 - right : 47 - right]
        assert np.array_equal(found[number].numpy(), expected)


def test_draws_fill_their_ranges_and_leave_the_others_alone() -> None:
    augment = shift_scale_rotate(shift_limit=0.25, scale_limit=0.2, rotate_limit=30.0, p=0.4)
    drawn = augment.draw(torch.Size((20_000, 3, 8, 16)), stream(0, "augment"))
    stay = torch.tensor([0.0, 1.0, 0.0, 0.0])
    chosen = (drawn != stay).all(dim=1)
    assert ((drawn == stay).all(dim=1) | chosen).all()
    assert chosen.float().mean().item() == pytest.approx(0.4, abs=0.02)
    places = (drawn[chosen] - stay) / torch.tensor([30.0, 0.2, 4.0, 2.0])  # of -1..1, uniform: variance 1/3
    assert places.abs().max() <= 1
    torch.testing.assert_close(places.mean(dim=0).abs() < 0.03, torch.ones(4, dtype=torch.bool))
    torch.testing.assert_close(places.var(dim=0), torch.full((4,), 1 / 3).double(), rtol=0.05, atol=0)
